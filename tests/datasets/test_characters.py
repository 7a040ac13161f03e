"""`(x, y), _ = datasets.load_characters("digits")`: pictures without a network."""

import json
import os
import pathlib

import numpy as np
import pytest

from keras_vae import datasets
from keras_vae.datasets import characters

FILES = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "emnist"


@pytest.mark.parametrize(
    ("classes", "number", "train", "test"),
    [("all", 36, 9440, 1440), ("digits", 10, 3200, 400), ("letters", 26, 6240, 1040)],
)
def test_each_set_of_classes_is_complete_and_labelled_from_0(classes, number, train, test):
    (x_train, y_train), (x_test, y_test) = datasets.load_characters(classes)
    assert x_train.shape == (train, 28, 28, 1)
    assert x_test.shape == (test, 28, 28, 1)
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert (x.dtype, y.dtype, x.min(), x.max()) == ("float32", "int64", 0, 1)
        counts = np.bincount(y)
        assert len(counts) == number
        assert counts.sum() == len(x)
        assert counts[:-1].min() >= counts[-1]  # digits have more


def test_the_last_tenth_holds_every_class_as_a_validation_split_needs_it():
    (_, y), _ = datasets.load_characters()
    assert len(np.unique(y[-len(y) // 10 :])) == 36


def test_no_image_stands_twice():
    (x_train, _), (x_test, _) = datasets.load_characters()
    rows = np.concatenate([x_train, x_test]).reshape(-1, 784)
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_a_limit_keeps_the_classes_in_proportion():
    (x, y), _ = datasets.load_characters("digits", limit=50, seed=1)
    assert len(x) == 50
    assert set(np.bincount(y)) == {5}
    other, _ = datasets.load_characters("digits", limit=50, seed=2)
    assert not np.array_equal(x, other[0])


@pytest.mark.parametrize("classes", ["0123", "", None, 10, "DIGITS"])
def test_other_classes_are_refused(classes):
    with pytest.raises(ValueError, match="expected one of \\['all', 'digits', 'letters'\\]"):
        datasets.load_characters(classes)


@pytest.mark.skipif(not FILES.exists(), reason="no files in $KERAS_HOME/datasets/emnist")
def test_the_images_are_those_of_emnist_at_16_levels():
    ours, theirs = datasets.load_characters(), datasets.load_emnist()
    for (x, y), (x_emnist, y_emnist) in zip(ours, theirs, strict=True):
        for label in (0, 9, 10, 35):
            few = x[y == label]
            expected = np.rint(15 * x_emnist[y_emnist == label][: len(few)]) / np.float32(15)
            order = [np.lexsort(images.reshape(-1, 784).T) for images in (few, expected)]
            np.testing.assert_array_equal(few[order[0]], expected[order[1]])


def test_the_card_tells_the_source_the_licence_and_the_sizes():
    path = pathlib.Path(characters.__file__)
    card = json.loads(path.with_suffix(".json").read_text())
    assert "public domain" in card["licence"]
    assert card["images"] == sum(characters.TRAIN) + sum(characters.TEST)
    assert card["bytes"] == path.with_suffix(".bz2").stat().st_size < 1_000_000
