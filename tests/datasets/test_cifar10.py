"""`(x, y), _ = datasets.load_cifar10()`: the published batches, a part of them, or a download."""

import os
import pathlib
import pickle
import warnings

import keras
import numpy as np
import pytest

from keras_vae import datasets

FILES = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "cifar10_subset"
real = pytest.mark.skipif(not FILES.exists(), reason="no $KERAS_HOME/datasets/cifar10_subset")
PART = ("cifar10_subset", "cifar-10-batches-py")
WHOLE = ("cifar-10-batches-py-target", "cifar-10-batches-py")


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the str of Python 2, of which the published pickles are made."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_str2(self, content):
        self.write(b"T" + len(content).to_bytes(4, "little") + content)
        self.memoize(content)

    dispatch[bytes] = save_str2


def pickled(path, batch):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(batch)
    content = path.read_bytes().replace(b"cnumpy._core", b"cnumpy.core")
    path.write_bytes(content.replace(b"\x89\x88\x87", b"K\x00K\x01\x87"))  # Python 2's dtype


def colours(labels):
    """Flat images: red as the label says, green twice as much, blue 255 in the top row alone."""
    planes = np.zeros((len(labels), 3, 32, 32), "uint8")
    planes[:, 0] = labels[:, None, None]
    planes[:, 1] = 2 * labels[:, None, None]
    planes[:, 2, 0] = 255
    return planes.reshape(-1, 3072)


def write(folder, count=10):
    labels = np.arange(count) % 10
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        batch = {b"batch_label": b"toy", b"labels": labels.tolist(), b"data": colours(labels)}
        pickled(folder / name, {**batch, b"filenames": [b"a.png"] * count})


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "datasets"


def test_planes_become_channels_and_rows_stay_rows(home):
    write(home.joinpath(*PART))
    sentence = r"cifar-10-batches-py holds 50 \+ 10 of the 50,000 \+ 10,000 images\.$"
    with pytest.warns(UserWarning, match=sentence) as caught:
        (x, y), (x_test, y_test) = datasets.load_cifar10()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (x.shape, x_test.shape) == ((50, 32, 32, 3), (10, 32, 32, 3))
    assert (x.dtype, y.dtype, y_test.dtype) == ("float32", "int64", "int64")
    np.testing.assert_array_equal(y[:20], [*range(10)] * 2)
    np.testing.assert_allclose(x[:, 5, 7, 0], y / 255)
    np.testing.assert_allclose(x[:, 5, 7, 1], 2 * y / 255, rtol=1e-6)
    np.testing.assert_array_equal(x[:, 0, :, 2], 1)
    assert x[:, 1:, :, 2].max() == 0


@pytest.mark.filterwarnings("ignore:.*of the 50,000")
def test_grey_images_are_the_luma_and_white_stays_one(home):
    write(home.joinpath(*PART))
    (x, _), _ = datasets.load_cifar10()
    (grey, _), _ = datasets.load_cifar10(grey=True)
    assert (grey.shape, grey.dtype) == ((50, 32, 32, 1), "float32")
    np.testing.assert_allclose(grey[..., 0], x @ [0.299, 0.587, 0.114], atol=1e-6)
    white = {b"data": np.full((1, 3072), 255, "uint8"), b"labels": [0]}
    pickled(home.joinpath(*PART, "test_batch"), white)
    _, (x_test, _) = datasets.load_cifar10(grey=True)
    np.testing.assert_array_equal(x_test, 1)


@pytest.mark.filterwarnings("ignore:.*of the 50,000")
def test_limit_keeps_the_classes_in_proportion(home):
    write(home.joinpath(*PART))
    (_, y), (_, y_test) = datasets.load_cifar10(limit=10)
    np.testing.assert_array_equal(np.bincount(y), [1] * 10)
    assert len(y_test) == 10
    with pytest.raises(ValueError, match="limit is 0; expected an int"):
        datasets.load_cifar10(limit=0)


def test_the_complete_folder_goes_before_the_part_and_gives_no_warning(home, monkeypatch):
    write(home.joinpath(*PART), count=10)
    write(home.joinpath(*WHOLE), count=20)
    monkeypatch.setattr("keras_vae.datasets.cifar10._COUNTS", "100 + 20")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (x, _), _ = datasets.load_cifar10()
    assert len(x) == 100


class Code:
    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


@pytest.mark.parametrize("call", [Code(), np.memmap, np.load])
def test_a_file_cannot_run_code(call, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = home.joinpath(*PART)
    write(folder)
    (folder / "data_batch_1").write_bytes(pickle.dumps({b"data": call}, protocol=2))
    sentence = r"data_batch_1 is damaged: expected a batch of CIFAR-10 \(it asks for \w+[.\w]+\)"
    with pytest.raises(ValueError, match=sentence):
        datasets.load_cifar10()
    assert not (tmp_path / "made_by_a_pickle").exists()


@pytest.mark.parametrize(
    "batch",
    [
        {b"data": colours(np.arange(3)), b"labels": [0, 1]},
        {b"data": colours(np.arange(3))[:, :-1], b"labels": [0, 1, 2]},
        {b"data": colours(np.arange(3)) / 2, b"labels": [0, 1, 2]},
        {b"labels": [0]},
        [1, 2],
    ],
)
def test_a_file_that_is_no_batch_is_refused(batch, home):
    folder = home.joinpath(*PART)
    write(folder)
    pickled(folder / "test_batch", batch)
    with pytest.raises(ValueError, match=r"test_batch is damaged: expected a batch") as caught:
        datasets.load_cifar10()
    assert caught.value.__suppress_context__


def test_a_truncated_or_missing_batch_is_reported(home):
    folder = home.joinpath(*PART)
    write(folder)
    path = folder / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"data_batch_3 is damaged: .* Remove it"):
        datasets.load_cifar10()
    path.unlink()
    with pytest.raises(
        OSError, match=r"data_batch_3 is missing: download \S+tar.gz, unpack it, and put it"
    ):
        datasets.load_cifar10()


def test_missing_files_without_a_network_are_reported(home, monkeypatch):
    def no_network():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", no_network)
    sentence = r"\(URL fetch failure\); unpack \S+cifar-10-python.tar.gz into \S+-py-target\.$"
    with pytest.raises(OSError, match=sentence) as caught:
        datasets.load_cifar10()
    assert caught.value.__suppress_context__


def test_missing_files_are_downloaded_by_keras(home, monkeypatch):
    labels = np.arange(20, dtype="uint8")[:, None] % 10
    images = np.zeros((20, 32, 32, 3), "uint8")
    images[..., 2] = 255
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: [(images, labels)] * 2)
    (x, y), _ = datasets.load_cifar10(limit=10)
    assert (x.shape, y.shape, y.dtype) == ((10, 32, 32, 3), (10,), "int64")
    np.testing.assert_array_equal(x[0, 0, 0], [0, 0, 1])
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    planes = images.transpose(0, 3, 1, 2)
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: [(planes, labels)] * 2)
    np.testing.assert_array_equal(datasets.load_cifar10(limit=10)[0][0], x)


@real
@pytest.mark.skipif(FILES.parent.joinpath(WHOLE[0]).exists(), reason="the complete folder is there")
def test_the_real_part_is_complete_and_upright():
    with pytest.warns(UserWarning, match=r"holds 2,000 \+ 500 of the 50,000 \+ 10,000 images"):
        (x, y), (x_test, y_test) = datasets.load_cifar10()
    assert (x.shape, x_test.shape) == ((2000, 32, 32, 3), (500, 32, 32, 3))
    np.testing.assert_array_equal(np.bincount(y), [200] * 10)
    np.testing.assert_array_equal(np.bincount(y_test), [50] * 10)
    assert (x.min(), x.max()) == (0, 1)
    means = x.mean(axis=(0, 1, 2))  # of all images: 0.4914, 0.4822, 0.4465
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=0.01)
    ships = x[y == 8]  # on water, below the sky
    assert ships[:, :8].mean() > ships[:, -8:].mean() + 0.05
    assert ships[..., 2].mean() > ships[..., 0].mean()  # blue
