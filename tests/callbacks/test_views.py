"""Numbers and pictures of a model for TensorBoard, tested without a fit."""

import numpy as np
import pytest

from keras_vae import plotting
from keras_vae.callbacks.tensorboard import views
from keras_vae.models.training import Examples
from tests import kinds
from tests.callbacks.models import make


def latents(model, x, y=None):
    return views.latents(model, Examples(x, y, "train", len(x)))


def pictures(model, x, y=None):
    return views.pictures(model, Examples(x, y, "train", len(x)), latents(model, x, y))


def image(picture, row, column):
    """One image of 8 x 8 pixels in a picture, without the gap around it."""
    return picture[9 * row : 9 * row + 8, 9 * column : 9 * column + 8]


@pytest.fixture
def semi_supervised(monkeypatch):
    """A model whose verbs refuse an unknown label."""
    model = kinds.semi_supervised()
    for method in (model.generate, model.decode, model.reconstruct):

        def verb(*args, condition, method=method, **kwargs):
            assert np.min(condition) >= 0, f"{method.__name__} was given an unknown label"
            return method(*args, condition=condition, **kwargs)

        monkeypatch.setitem(vars(model), method.__name__, verb)
    return model


def test_examples_with_an_unknown_label_are_left_out(semi_supervised, digits):
    x, y = digits[0], digits[1] % kinds.CLASSES
    known = np.arange(len(y)) % 3 == 1
    shown = pictures(semi_supervised, x, np.where(known, y, -1))
    assert set(shown) == {"reconstructions", "generated", "manifold"}
    for column in (0, 15):
        original = image(shown["reconstructions"], 0, column)
        np.testing.assert_allclose(original, 1 - x[known][column], atol=1e-6)
    generated = semi_supervised.generate(64, seed=0, condition=y[known][:64])
    np.testing.assert_allclose(shown["generated"], 1 - plotting.tiled(generated, 16), atol=1e-6)


def test_without_any_known_label_all_classes_are_generated(semi_supervised, digits):
    x, y = digits
    shown = pictures(semi_supervised, x, np.full_like(y, -1))
    assert set(shown) == {"generated", "manifold"}
    generated = semi_supervised.generate(64, seed=0, condition=np.arange(64) % kinds.CLASSES)
    np.testing.assert_allclose(shown["generated"], 1 - plotting.tiled(generated, 16), atol=1e-6)


def test_a_conditional_model_generates_all_classes_if_there_are_no_examples():
    model = make("conditional")
    assert set(views.pictures(model, None, None)) == {"generated", "manifold"}


def test_reconstructions_of_two_levels_are_those_of_the_model(x):
    """Not `decode(encode(x))`, which starts at the top level and loses the lower levels."""
    model = kinds.ladder()
    shown = pictures(model, x)["reconstructions"]
    for column, expected in enumerate(model.reconstruct(x[:16])):
        np.testing.assert_allclose(image(shown, 1, column), 1 - expected, atol=1e-6)


def test_missing_values_are_grey(x):
    model, holes = kinds.KINDS["missing"][0](), kinds.with_holes(x)
    shown = pictures(model, holes)
    assert all(np.all((picture >= 0) & (picture <= 1)) for picture in shown.values())
    original = image(shown["reconstructions"], 0, 3)
    missing = np.isnan(holes[3])
    assert np.all(original[missing] == 0.5)
    np.testing.assert_allclose(original[~missing], 1 - holes[3][~missing], atol=1e-6)


def test_latents_of_a_codebook_are_its_vectors(x):
    """Indices have neither a distance nor a variance."""
    model = kinds.KINDS["VQ"][0]()
    found = latents(model, x)
    assert set(found) == {"codes"}
    np.testing.assert_array_equal(found["codes"], model.encode(x, level=0).reshape(len(x), -1))
    assert set(pictures(model, x)) == {"reconstructions"}


def test_each_row_of_a_traversal_moves_one_latent(x, monkeypatch):
    model, given = make("conv"), []
    decode = model.decode
    monkeypatch.setitem(
        vars(model), "decode", lambda z, *a, **k: given.append(z) or decode(z, *a, **k)
    )
    assert "traversal" in pictures(model, x)
    code, (z,) = model.encode(x[:1])[0], given
    for latent, row in enumerate(z.reshape(3, 11, 3)):
        np.testing.assert_array_equal(row[:, latent], plotting.prior_quantiles(11))
        others = [other for other in range(3) if other != latent]
        np.testing.assert_allclose(row[:, others], np.tile(code[others], (11, 1)), atol=1e-6)


def test_a_diverged_model_has_no_pictures(x):
    model = make("dense")
    kernel = model.decoder.get_layer("output").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    assert pictures(model, x) == {}


def test_a_denoising_model_shows_input_target_and_reconstruction(x):
    noisy = np.clip(x + 0.3 * np.sign(np.sin(np.arange(x.size))).reshape(x.shape), 0, 1)
    shown = pictures(make("dense"), noisy, x)["reconstructions"]
    assert shown.shape == (3 * 9, 16 * 9, 1)
    for row, images in enumerate((noisy, x)):
        np.testing.assert_allclose(image(shown, row, 5), 1 - images[5], atol=1e-6)


def test_pictures_of_data_outside_the_unit_interval_keep_their_contrast(x):
    data = (100 * x - 30).astype("float32")
    shown = pictures(make("gaussian"), data)["reconstructions"]
    original = image(shown, 0, 0)
    assert np.corrcoef(original.ravel(), x[0].ravel())[0, 1] == pytest.approx(-1)
    assert 0 <= original.min() < original.max() <= 1


def test_a_weight_of_the_model_itself_has_a_histogram():
    found = views.histograms(make("two players"), {})
    assert {"weights/scale", "weights/critic/score/kernel"} <= set(found)


def written_projector(model, folder, x, y=None, **arguments):
    examples = Examples(x, y, "train", len(x))
    folder.mkdir()
    views.write_projector(str(folder), views.latents(model, examples), examples, **arguments)
    return {path.name for path in folder.iterdir()}


def test_a_target_of_integers_is_not_a_label(digits, tmp_path):
    x, y = digits
    names = written_projector(make("dense"), tmp_path / "a", x, (x > 0.5).astype("uint8"))
    assert "latents.tsv" in names
    assert "labels.tsv" not in names
    assert "labels.tsv" in written_projector(make("conditional"), tmp_path / "b", x, y)


def test_a_file_of_metadata_is_copied_beside_the_latents(x, tmp_path):
    (tmp_path / "names").write_text("\n".join("abcde" * 60))
    arguments = {"metadata": str(tmp_path / "names")}
    assert "labels.tsv" in written_projector(make("dense"), tmp_path / "logs", x, **arguments)
    assert (tmp_path / "logs" / "labels.tsv").read_text().split() == list("abcde" * 60)
