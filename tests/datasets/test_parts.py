"""What the loaders share: archives with damage, and images with fewer pixels."""

import zipfile

import numpy as np
import pytest

from keras_vae.datasets._parts import members_of, reduced


def test_members_of_an_archive_are_those_whose_names_match(tmp_path):
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/a1.txt", b"one")
        archive.writestr("folder/b.txt", b"other")
    ((match, content),) = members_of(path, r"a(\d)\.txt$")
    assert (match[1], content) == ("1", b"one")
    assert members_of(path, "nothing") == []


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_a_damaged_archive_is_refused(damage, tmp_path):
    path = tmp_path / "some.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"content")
    whole = path.read_bytes()
    damaged = {"truncated": whole[:-9], "changed": whole.replace(b"content", b"CONTENT")}
    path.write_bytes(damaged.get(damage, b""))
    sentence = r"some.zip is damaged: expected a zip archive \(.+\)\. Remove it"
    with pytest.raises(ValueError, match=sentence) as caught:
        members_of(path, "a")
    assert caught.value.__suppress_context__


def test_reduced_images_hold_the_means_of_blocks_and_cut_the_surplus():
    images = np.arange(2 * 5 * 7, dtype="uint8").reshape(2, 5, 7)
    small = reduced(images, 2)
    assert (small.shape, small.dtype) == ((2, 2, 3), "float32")
    assert small[1, 1, 2] == images[1, 2:4, 4:6].mean()
    np.testing.assert_array_equal(reduced(images, 1), images)


@pytest.mark.parametrize("reduce", [0, 6, 2.0, None])
def test_an_invalid_reduce_is_refused(reduce):
    with pytest.raises(ValueError, match=rf"reduce is {reduce}; expected an int from 1 to 5"):
        reduced(np.zeros((2, 5, 7)), reduce)
