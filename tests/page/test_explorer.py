"""What the page shows: the user's code first, then its laws. No gradio is needed."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

import keras_vae
from keras_vae import datasets, networks, page
from keras_vae.page import __main__ as command
from keras_vae.page.explorer import Explorer


@pytest.fixture(scope="module")
def writer():
    (x, y), _ = datasets.load_characters(limit=360)
    return Explorer(keras_vae.load_pretrained("conditional_emnist"), x, y)


def dense(shape, **options):
    return keras_vae.VAE(*networks.dense(shape, 3, hidden=(8,), **options), seed=0, **options)


def drawn(*lines, mode="L", paper="white", ink="black"):
    image = Image.new(mode, (280, 280), paper)
    for line in lines:
        ImageDraw.Draw(image).line(line, ink, 18)
    return np.asarray(image)


SEVEN = [(70, 60), (210, 60), (120, 220)]


def test_a_text_is_written_in_one_hand(writer):
    written = writer.text("a1 é", writer.start)  # a small letter is read as a capital
    assert written.shape == (4, 28, 28, 1)
    expected = writer.decode(np.stack([writer.start] * 2), [10, 1])
    np.testing.assert_allclose(written[:2], expected, atol=1e-6)
    assert (written[2:] == 0).all()  # what is no character is blank
    assert writer.text("", writer.start).shape == (0, 28, 28, 1)


def test_sliders_are_sorted_by_what_they_move():
    model = dense((4, 4, 1))
    for weights in model.decoder.trainable_variables:
        weights.assign(np.random.default_rng(0).normal(0, 0.3, weights.shape))
    first = model.decoder.trainable_variables[0]
    first.assign(first.numpy() * np.array([[0.1], [1.0], [3.0]]))
    explorer = Explorer(model)
    assert explorer.order == [2, 1, 0]
    np.testing.assert_allclose(explorer.high, 2.326, atol=0.2)  # the 99 % quantile of N(0, 1)
    np.testing.assert_allclose(explorer.low, -2.326, atol=0.2)


def test_the_ranges_are_those_of_all_classes(writer):
    z = writer.draw(3600, seed=5)
    within = (writer.low < z) & (z < writer.high)
    np.testing.assert_allclose(within.mean(axis=0), 0.98, atol=0.01)


def test_a_drawing_is_read_and_has_neighbours(writer):
    example = writer.example(drawn(SEVEN))
    assert example.shape == (28, 28, 1)
    assert example.min() == 0
    likely = writer.read(example)
    np.testing.assert_allclose(likely.sum(), 1, rtol=1e-5)
    assert 7 in np.argsort(-likely)[:3]
    places = writer.neighbours(writer.z[5], n=4)
    assert places[0] == 5
    distances = np.linalg.norm(writer.z - writer.z[5], axis=1)
    np.testing.assert_allclose(distances[places], np.sort(distances)[:4])


def test_a_picture_unlike_the_data_is_known_as_such(writer):
    usual = [writer.is_unusual(x, y) for x, y in zip(writer.x[:40], writer.y, strict=False)]
    assert np.mean(usual) < 0.1
    photograph = np.random.default_rng(0).random(writer.x_shape).astype("float32")
    assert writer.is_unusual(photograph, 3)
    assert not Explorer(dense((8, 8, 1))).is_unusual(np.ones((8, 8, 1), "float32"))  # no data


def test_drawings_of_any_place_colour_and_size_are_one_example(writer):
    example = writer.example(drawn(SEVEN))
    moved = [(x - 40, y + 30) for x, y in SEVEN]
    np.testing.assert_allclose(writer.example(drawn(moved)), example, atol=0.02)
    chalk = drawn(SEVEN, paper="black", ink="white")
    np.testing.assert_allclose(writer.example(chalk), example, atol=0.02)
    clear = drawn(SEVEN, mode="RGBA", paper=(0, 0, 0, 0), ink=(0, 0, 0, 255))
    np.testing.assert_allclose(writer.example(clear), example, atol=0.02)
    assert writer.example(drawn()) is None


def test_examples_of_the_data_come_back(writer):
    for place in (0, 7):
        pixels = writer.pixels(writer.x[place][None], scale=8)
        again = writer.example(pixels)
        apart = np.abs(again - writer.x[place]).mean()
        assert apart < 0.5 * np.abs(writer.x[place] - writer.x[place + 1]).mean()


def test_a_path_has_a_row_for_each_class_and_its_ends(writer):
    a, b = writer.x[:2]
    path = writer.path(a, b, [3, 5], steps=4)
    assert path.shape == (8, 28, 28, 1)
    start = writer.decode(writer.encode(a, 3)[None], 3)[0]
    end = writer.decode(writer.encode(b, 5)[None], 5)[0]
    np.testing.assert_allclose(path[0], start, atol=1e-5)
    np.testing.assert_allclose(path[-1], end, atol=1e-5)
    assert writer.path(a, b, [3, 3], steps=4).shape == (4, 28, 28, 1)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (16, 2), (5,)])
def test_examples_of_every_shape_have_a_picture(shape):
    explorer = Explorer(dense(shape))
    html = explorer.picture(explorer.decode(explorer.draw(4, seed=0)), columns=2)
    assert html.startswith("<img alt=")
    assert "data:image/png;base64," in html
    if len(shape) == 3:
        photograph = np.random.default_rng(0).integers(0, 256, (30, 50, 3)).astype("uint8")
        explorer.cmap = "gray"
        assert explorer.example(photograph).shape == shape


def test_an_autoencoder_draws_the_latents_of_its_data():
    encoder, decoder = networks.dense((8, 8, 1), 2, hidden=(8,), variational=False)
    model = keras_vae.Autoencoder(encoder, decoder)
    with pytest.raises(ValueError, match="no prior to draw from; give x"):
        Explorer(model)
    explorer = Explorer(model, np.random.default_rng(0).random((20, 8, 8, 1), "float32"))
    drawn = explorer.draw(3, seed=1)
    assert all((explorer.z == z).all(axis=1).any() for z in drawn)
    assert explorer.read(explorer.x[0]) is None


def test_models_without_a_control_are_refused():
    pair = networks.dense((8, 8, 1), 2, hidden=(8,), condition=(3,))
    with pytest.raises(ValueError, match="a control for labels only"):
        Explorer(keras_vae.ConditionalVAE(*pair))
    pair = networks.dense((8, 8, 1), 2, hidden=(8,), condition=3)
    with pytest.raises(ValueError, match="classes has 2 names; this model reads 3"):
        Explorer(keras_vae.ConditionalVAE(*pair), classes="ab")
    with pytest.raises(ValueError, match="give y, the label of each example"):
        Explorer(keras_vae.ConditionalVAE(*pair), np.zeros((4, 8, 8, 1)))


def test_examples_come_from_a_file_or_from_the_package(tmp_path):
    model, path = dense((8, 8, 1)), tmp_path / "examples.npz"
    assert command.examples(model)["x"].shape[1:] == (8, 8, 1)
    assert command.examples(dense((5,))) == {}
    np.savez(path, x=np.ones((3, 8, 8, 1)), other=1)
    assert list(command.examples(model, path)) == ["x"]
    np.savez(path, y=np.ones(3))
    with pytest.raises(ValueError, match=r"has no array x; np\.savez"):
        command.examples(model, path)
    path.write_text("x")
    with pytest.raises(ValueError, match=r"is no \.npz file; np\.savez"):
        command.examples(model, path)


def test_without_gradio_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "keras_vae.page.blocks", raising=False)
    with pytest.raises(ImportError, match=r'needs gradio; run pip install -e "\.\[page\]"\.'):
        page.launch(dense((8, 8, 1)))
