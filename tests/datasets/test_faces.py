"""Faces from archives of PGM files, in the order of the people, upright, reduced on request."""

import os
import pathlib
import zipfile

import numpy as np
import pytest

from keras_vae import datasets

FOLDER = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets"
real_faces = pytest.mark.skipif(
    not (FOLDER / "att_faces.zip").exists(), reason="no att_faces.zip in $KERAS_HOME/datasets"
)
real_yale = pytest.mark.skipif(
    not (FOLDER / "CroppedYale_subset.zip").exists(),
    reason="no CroppedYale_subset.zip in $KERAS_HOME/datasets",
)


def pgm(image, comment=b""):
    height, width = image.shape
    return b"P5\n%b%d %d\n255\n" % (comment, width, height) + image.astype("uint8").tobytes()


def image(value):
    """Six rows of four pixels: a white line at the top, and a value below."""
    rows = np.full((6, 4), value)
    rows[0] = 255
    return rows


def pack(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


@pytest.fixture
def faces(folder):
    """Persons 1, 2 and 10 with two images each; the archive's order is that of the names."""
    names = sorted(f"s{person}/{number}.pgm" for person in (1, 2, 10) for number in (2, 10))
    values = {
        name: 10 * int(name[1:].split("/")[0]) + int(name[-6:-4].strip("/")) for name in names
    }
    pack(
        folder / "att_faces.zip",
        {"README": b"P5", **{name: pgm(image(values[name])) for name in names}},
    )
    return folder / "att_faces.zip"


def test_faces_stand_upright_in_the_order_of_people_and_numbers(faces):
    x, y = datasets.load_faces()
    assert (x.shape, x.dtype, y.dtype) == ((6, 6, 4, 1), "float32", "int64")
    np.testing.assert_array_equal(y, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(x[:, 0], 1)
    values = np.array([12, 20, 22, 30, 102, 110])
    np.testing.assert_allclose(x[:, 1:, 0, 0], np.repeat(values[:, None] / 255, 5, axis=1))


def test_reduced_faces_have_the_means_of_blocks(faces):
    (full, _), (x, _) = datasets.load_faces(), datasets.load_faces(reduce=4)
    assert (x.shape, x.dtype) == ((6, 1, 1, 1), "float32")
    np.testing.assert_allclose(x[:, 0, 0], full[:, :4].mean(axis=(1, 2)), rtol=1e-6)
    with pytest.raises(ValueError, match="reduce is 5; expected an int from 1 to 4"):
        datasets.load_faces(reduce=5)


def test_a_pgm_file_may_hold_comments(faces):
    pack(faces, {"s1/1.pgm": pgm(image(51), b"# made of 9 9\n# twice\n")})
    x, _ = datasets.load_faces()
    assert x.shape == (1, 6, 4, 1)
    assert x[0, -1, -1, 0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "content",
    [b"P2\n1 1\n255\n0", b"P5\n4 6\n65535\n" + bytes(48), pgm(image(0))[:-1], pgm(image(0)) + b"0"],
)
def test_a_file_that_is_no_8_bit_pgm_is_refused(content, faces):
    pack(faces, {"s1/1.pgm": content})
    with pytest.raises(ValueError, match=r"att_faces.zip is damaged: expected PGM .* Remove it"):
        datasets.load_faces()


def test_images_of_two_sizes_and_an_archive_without_images_are_refused(faces):
    for files in ({"s1/1.pgm": pgm(image(0)), "s1/2.pgm": pgm(image(0).T)}, {"README": b""}):
        pack(faces, files)
        with pytest.raises(ValueError, match="expected PGM images of 8 bits and one size"):
            datasets.load_faces()


def yale(person, light, value):
    name = f"CroppedYale/yaleB{person}/yaleB{person}_P00{light}"
    return {f"{name}": pgm(image(value))}


def test_yale_gives_the_light_in_degrees_and_leaves_out_bad_images(folder):
    files = {
        **yale("39", "A-020E-10.pgm", 4),
        **yale("02", "A+000E+45.pgm", 3),
        **yale("02", "A-070E+00.pgm", 1),
        **yale("02", "A-035E+15.pgm", 2),
        **yale("02", "A+070E+00.pgm.bad", 9),
        **yale("02", "_Ambient.pgm", 9),
        "CroppedYale/yaleB02/yaleB02_P00.info": b"yaleB02_P00A+000E+00.pgm",
    }
    for name in ("CroppedYale_subset.zip", "CroppedYale.zip"):
        pack(folder / name, files)
        x, y, light = datasets.load_cropped_yale()
        assert (x.shape, x.dtype, y.dtype, light.dtype) == (
            *((4, 6, 4, 1), "float32"),
            *("int64", "float32"),
        )
        np.testing.assert_allclose(x[:, -1, 0, 0], np.array([1, 2, 3, 4]) / 255)
        np.testing.assert_array_equal(y, [0, 0, 0, 1])
        np.testing.assert_array_equal(light, [[-70, 0], [-35, 15], [0, 45], [-20, -10]])
        np.testing.assert_array_equal(x[:, 0], 1)


def test_the_complete_archive_goes_before_its_part(folder):
    pack(folder / "CroppedYale.zip", yale("01", "A+000E+00.pgm", 255))
    pack(folder / "CroppedYale_subset.zip", yale("01", "A+000E+00.pgm", 0))
    x, _, _ = datasets.load_cropped_yale(reduce=2)
    assert x.shape == (1, 3, 2, 1)
    assert x.min() == 1


@pytest.mark.parametrize(
    ("load", "name"),
    [
        (datasets.load_faces, "att_faces.zip"),
        (datasets.load_cropped_yale, "CroppedYale.zip"),
    ],
)
def test_a_missing_or_truncated_archive_is_reported(load, name, folder):
    sentence = rf"datasets/{name} is missing: download https?://\S+{name} and put it there"
    with pytest.raises(OSError, match=sentence):
        load()
    (folder / name).write_bytes(b"PK")
    with pytest.raises(ValueError, match=rf"{name} is damaged: expected a zip archive"):
        load()


@real_faces
def test_the_real_faces_are_complete_and_upright():
    x, y = datasets.load_faces()
    assert (x.shape, x.dtype) == ((400, 112, 92, 1), "float32")
    np.testing.assert_array_equal(np.bincount(y), [10] * 40)
    assert 0 <= x.min() < x.max() <= 1
    mean = x.mean(axis=0)[..., 0]
    mirrored, turned = (
        np.corrcoef(mean.ravel(), other.ravel())[0, 1] for other in (mean[:, ::-1], mean[::-1])
    )
    assert mirrored > 0.9  # a face is symmetric
    assert turned < 0.85
    same = np.mean([x[y == person].std(axis=0).mean() for person in range(40)])
    assert same < 0.8 * x.std(axis=0).mean()
    assert datasets.load_faces(reduce=4)[0].shape == (400, 28, 23, 1)


@real_yale
def test_the_real_yale_faces_are_lit_from_where_the_names_say():
    x, y, light = datasets.load_cropped_yale(reduce=4)
    assert x.shape[1:] == (48, 42, 1)
    assert len(x) >= 304
    np.testing.assert_array_equal(np.unique(y), np.arange(38))
    assert 0 <= x.min() < x.max() <= 1
    halves = x[:, :, :21].mean(axis=(1, 2, 3)) - x[:, :, 21:].mean(axis=(1, 2, 3))
    assert np.corrcoef(halves, light[:, 0])[0, 1] > 0.8
    front = light[:, 0] == 0
    halves = x[:, :24].mean(axis=(1, 2, 3)) - x[:, 24:].mean(axis=(1, 2, 3))
    assert np.corrcoef(halves[front], light[front, 1])[0, 1] > 0.5


@real_yale
@pytest.mark.skipif((FOLDER / "CroppedYale.zip").exists(), reason="the complete archive is there")
def test_the_real_part_of_yale_has_eight_lights_of_each_person():
    x, y, light = datasets.load_cropped_yale()
    assert x.shape == (304, 192, 168, 1)
    np.testing.assert_array_equal(np.bincount(y), [8] * 38)
    assert len(np.unique(light, axis=0)) == 8
    assert np.unique(light[:, 0]).tolist() == [-70, -35, -20, 0, 35, 70]
