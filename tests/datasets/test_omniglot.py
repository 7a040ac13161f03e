"""`(x, y), _ = datasets.load_omniglot()`: characters of 50 alphabets, black and white."""

import io
import os
import pathlib
import zipfile

import keras
import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets import omniglot
from keras_vae.datasets.omniglot import ALPHABETS

FILES = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "omniglot"
RESIZED = "omniglot_28x28_resized.npz"
real = pytest.mark.skipif(not FILES.exists(), reason="no files in $KERAS_HOME/datasets/omniglot")
BACKGROUND = [name for name in ALPHABETS if name not in ("Angelic", "Tibetan")]


def ink(alphabet, drawer, size):
    """A line at the top of an image, as long as the drawer's number says, and one pixel below it
    at the place of the alphabet."""
    image = np.zeros((size, size), "uint8")
    image[0, :drawer] = 1
    image[1 + ALPHABETS.index(alphabet) // size, ALPHABETS.index(alphabet) % size] = 1
    return image


def keys(alphabets):
    return [(alphabet, drawer) for alphabet in alphabets for drawer in range(1, 21)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets" / "omniglot"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def resized(folder):
    """A character of each alphabet, whose names stand in another order than in `ALPHABETS`."""
    names = np.array(ALPHABETS[::-1])
    drawn = keys(names)
    np.savez_compressed(
        folder / RESIZED,
        images=np.packbits([ink(*key, 28).ravel() for key in drawn], axis=1),
        alphabet_names=names,
        alphabet=np.repeat(np.arange(50, dtype="uint8"), 20),
        drawer=np.array([drawer for _, drawer in drawn], "uint8"),
        is_evaluation=~np.isin(np.repeat(names, 20), BACKGROUND),
    )
    return folder / RESIZED


def png(image):
    """A PNG file of one bit, in which ink is 0."""
    file = io.BytesIO()
    picture = keras.utils.array_to_img(1.0 - image[..., None], scale=True)
    picture.convert("1").save(file, "PNG")
    return file.getvalue()


def pack(path, alphabets, size=105):
    with zipfile.ZipFile(path, "w") as archive:
        for alphabet, drawer in keys(alphabets):
            name = f"{path.stem}/{alphabet}/character01/0001_{drawer:02d}.png"
            archive.writestr(name, png(ink(alphabet, drawer, size)))


@pytest.fixture
def published(folder):
    """Three archives; both small ones hold Greek."""
    pack(folder / "images_background_small1.zip", ("Greek", "Balinese"))
    pack(folder / "images_background_small2.zip", ("Greek", "Sanskrit"))
    pack(folder / "images_evaluation.zip", ("Tibetan",))
    return folder


def check(parts, size, counts):
    """Each image is the one that its label and its drawer promise; returns drawers by part."""
    drawers = []
    for (x, y), count in zip(parts, counts, strict=True):
        assert (x.shape, x.dtype, y.dtype) == ((count, size, size, 1), "float32", "int64")
        drawers.append(x[:, 0, :, 0].sum(axis=1).astype(int))
        for image, label, drawer in zip(x, y, drawers[-1], strict=True):
            np.testing.assert_array_equal(image[..., 0], ink(ALPHABETS[label], drawer, size))
    return drawers


def test_ink_is_one_and_no_alphabet_is_in_both_parts(resized):
    (_, y), (_, y_test) = parts = datasets.load_omniglot()
    check(parts, 28, (48 * 20, 2 * 20))
    assert [ALPHABETS[label] for label in np.unique(y_test)] == ["Angelic", "Tibetan"]
    assert not set(y) & set(y_test)


def test_chosen_alphabets_are_split_by_drawer(resized, published):
    for form, size in (("28x28", 28), ("105x105", 105)):
        parts = datasets.load_omniglot(form, ("Tibetan", "Greek"))
        train, test = check(parts, size, (30, 10))
        assert (set(train), set(test)) == (set(range(1, 16)), set(range(16, 21)))
        for _, y in parts:
            np.testing.assert_array_equal(
                np.unique(y), sorted(map(ALPHABETS.index, ("Greek", "Tibetan")))
            )


def test_published_archives_without_some_alphabets_give_a_warning(published):
    with pytest.warns(UserWarning, match="lacks 46 of 50 alphabets; the official .* 30 .* 20") as w:
        parts = datasets.load_omniglot("105x105")
    assert w[0].filename == __file__
    check(parts, 105, (60, 20))  # Greek counts once


def test_the_complete_archive_goes_before_its_small_parts(published):
    pack(published / "images_background.zip", BACKGROUND)
    pack(published / "images_evaluation.zip", ("Angelic", "Tibetan"))
    for name in ("images_background_small1.zip", "images_background_small2.zip"):
        (published / name).write_bytes(b"is not read")
    check(datasets.load_omniglot("105x105"), 105, (48 * 20, 2 * 20))


def test_limit_keeps_the_alphabets_in_proportion(resized):
    (_, y), (_, y_test) = datasets.load_omniglot(limit=48)
    assert len(np.unique(y)) == 48
    assert len(y_test) == 40
    with pytest.raises(ValueError, match="limit is -1; expected an int"):
        datasets.load_omniglot(limit=-1)


@pytest.mark.parametrize("alphabets", [(), "Latin", ("English",), ("Greek", "Greek")])
def test_invalid_alphabets_are_refused(alphabets, resized):
    sentence = r"expected distinct names from omniglot.ALPHABETS, such as \('Latin', 'Greek'\)"
    with pytest.raises(ValueError, match=sentence):
        datasets.load_omniglot(alphabets=alphabets)


def test_an_invalid_form_is_refused():
    with pytest.raises(ValueError, match=r"form is 28; expected one of \['28x28', '105x105'\]"):
        datasets.load_omniglot(28)


def test_missing_files_are_reported(folder):
    with pytest.raises(OSError, match=rf"omniglot lacks {RESIZED}.* form='105x105'"):
        datasets.load_omniglot()
    sentence = r"omniglot lacks 50 of 50 alphabets \(Alphabet.*, Ang.*, Ang.*, \.\.\.\): download"
    with pytest.raises(OSError, match=sentence):
        datasets.load_omniglot("105x105")
    pack(folder / "images_evaluation.zip", ("Tibetan",))
    with pytest.raises(OSError, match="lacks 49 of 50 alphabets"):  # nothing to train
        datasets.load_omniglot("105x105")
    with pytest.raises(
        OSError, match=r"lacks 1 of 2 alphabets \(Latin\): .* images_background.zip"
    ):
        datasets.load_omniglot("105x105", ("Latin", "Tibetan"))


@pytest.mark.filterwarnings("ignore:.*the official split has")
def test_a_damaged_file_is_refused(resized, published):
    whole = resized.read_bytes()
    np.savez(resized, images=np.zeros((3, 98), "uint8"))
    for content in (whole[:-30], whole[:1000], resized.read_bytes()):
        resized.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{RESIZED} is damaged: expected arrays of images"):
            datasets.load_omniglot()
    path = published / "images_evaluation.zip"
    pack(path, ("Tibetan",), size=28)
    with pytest.raises(ValueError, match=r"evaluation.zip is damaged: .* PNG .* 105 x 105 pixels"):
        datasets.load_omniglot("105x105")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images_evaluation/Tibetan/character01/0001_01.png", b"no image")
    with pytest.raises(ValueError, match=r"evaluation.zip is damaged: expected PNG images"):
        datasets.load_omniglot("105x105", ("Tibetan",))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"evaluation.zip is damaged: expected a zip archive"):
        datasets.load_omniglot("105x105")


@real
def test_the_real_small_images_are_complete():
    (x, y), (x_test, y_test) = datasets.load_omniglot()
    assert (x.shape, x_test.shape) == ((19_280, 28, 28, 1), (13_180, 28, 28, 1))
    assert (len(np.unique(y)), len(np.unique(y_test))) == (30, 20)
    np.testing.assert_array_equal(np.unique(x), [0, 1])
    assert 0.05 < x.mean() < 0.12  # ink is rare


@real
def test_real_latin_and_greek_have_the_same_images_in_both_forms():
    for name, counts in (("Latin", (390, 130)), ("Greek", (360, 120))):
        small = datasets.load_omniglot(alphabets=(name,))
        large = datasets.load_omniglot("105x105", (name,))
        for (x, y), (fine, y_fine), count in zip(small, large, counts, strict=True):
            assert (x.shape, fine.shape) == ((count, 28, 28, 1), (count, 105, 105, 1))
            np.testing.assert_array_equal(y, y_fine)
            assert set(y) == {ALPHABETS.index(name)}
            coarse = x.reshape(count, 7, 4, 7, 4).mean(axis=(2, 4)).ravel()
            fine = fine.reshape(count, 7, 15, 7, 15).mean(axis=(2, 4)).ravel()
            assert np.corrcoef(coarse, fine)[0, 1] > 0.95


@real
@pytest.mark.skipif(
    (FILES / "images_background.zip").exists(), reason="the complete archive exists"
)
@pytest.mark.filterwarnings("ignore:.*the official split has")
def test_the_real_published_images_are_there_once():
    _, names, _, evaluation = omniglot._published(FILES, ALPHABETS)
    assert (np.sum(~evaluation), np.sum(evaluation)) == (4840, 13_180)
    (x, y), (x_test, y_test) = datasets.load_omniglot("105x105", limit=1000)
    assert x.shape == x_test.shape == (1000, 105, 105, 1)
    assert (len(np.unique(y)), len(np.unique(y_test)), len(set(names))) == (8, 20, 28)
    np.testing.assert_array_equal(np.unique(x), [0, 1])
    assert len(np.unique(np.packbits(x.reshape(1000, -1) > 0, axis=1), axis=0)) == 1000
