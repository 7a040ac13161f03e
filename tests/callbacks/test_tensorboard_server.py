"""The logs in a running TensorBoard: its data endpoints, and its page in a browser."""

import importlib.util
import json
import pathlib
import re
import urllib.parse
import urllib.request

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, networks
from keras_vae.callbacks import TensorBoard
from tests.callbacks.models import make

pytestmark = pytest.mark.slow

_PATH = pathlib.Path(__file__).parents[2] / "tutorials" / "screenshots.py"
_SPEC = importlib.util.spec_from_file_location("screenshots", _PATH)
screenshots = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(screenshots)

PARTS = [
    "input",
    "encoder",
    "sampling",
    "decoder",
    "loss",
    "backward",
    "apply_gradients",
    "metrics",
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Two trainings side by side, with two and with three latents."""
    from keras_vae import datasets

    (x, y), _ = datasets.load_digits(limit=300)
    folder = tmp_path_factory.mktemp("logs")
    for name in ("dense", "conv"):
        model = make(name)
        board = TensorBoard(folder / name, labels=y[200:])
        model.fit(x[:200], validation_data=x[200:], epochs=3, verbose=0, callbacks=[board])
    return folder


@pytest.fixture(scope="module")
def url(logs):
    with screenshots.tensorboard(logs) as address:
        yield address


@pytest.fixture
def ask(url):
    def ask(path, post=None, **query):
        address = f"{url}/data/{path}?{urllib.parse.urlencode(query)}"
        data = None if post is None else json.dumps(post).encode()
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
        content = urllib.request.urlopen(request, timeout=30).read()
        try:
            return json.loads(content)
        except (UnicodeDecodeError, json.JSONDecodeError):
            return content

    return ask


def test_the_server_serves_every_kind(ask):
    runs = ask("runs")
    for name in ("dense", "conv"):
        below = ("", "/train", "/validation", "/views/inference", "/views/generation")
        assert {name + run for run in below} <= set(runs)

    info = ask("plugin/graphs/info")
    assert info["dense/train"]["run_graph"]
    for run in ("train", "views/inference", "views/generation"):
        graph = ask("plugin/graphs/graph", run=f"dense/{run}").decode()
        assert 'name: "decoder/' in graph

    tags = ask("plugin/scalars/tags")
    assert {"epoch_loss", "epoch_learning_rate", "epoch_beta"} <= set(tags["conv/train"])
    assert {f"kl_by_latent/z{i:02d}" for i in (1, 2, 3)} <= set(tags["conv/validation"])
    for run in ("train", "validation"):
        points = ask("plugin/scalars/scalars", run=f"conv/{run}", tag="epoch_elbo")
        assert [step for _, step, _ in points] == [0, 1, 2]

    images = ask("plugin/images/tags")
    assert set(images["dense/train"]) == {"reconstructions", "generated", "manifold"}
    assert set(images["conv/train"]) == {"reconstructions", "generated", "traversal"}
    found = ask("plugin/images/images", run="conv/train", tag="traversal", sample=0)
    assert [image["step"] for image in found] == [0, 2]
    png = ask("plugin/images/individualImage?" + found[-1]["query"] + "&")
    assert tf.io.decode_png(png).shape[0] == 3 * 9

    histograms = ask("plugin/histograms/tags")["dense/train"]
    assert {"weights/encoder/z_mean/kernel", "posterior/log_var"} <= set(histograms)
    points = ask("plugin/histograms/histograms", run="dense/train", tag="posterior/mean")
    assert [step for _, step, _ in points] == [0, 2]

    assert set(ask("plugin/text/tags")["dense/train"]) >= {"model", "loss"}
    text = ask("plugin/text/text", run="dense/train", tag="loss")[0]["text"]
    assert "KL(q(z|x) || p(z))" in text


def test_hparams_join_settings_with_final_losses(ask):
    request = {"experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING"]}
    request |= {"colParams": [], "startIndex": 0, "sliceSize": 10}
    groups = ask("plugin/hparams/session_groups", post=request)["sessionGroups"]
    groups = {group["name"]: group for group in groups}
    groups = {pathlib.Path(name).name: group for name, group in groups.items()}
    assert set(groups) == {"dense", "conv"}
    assert groups["conv"]["hparams"]["latents"] == 3
    assert groups["dense"]["hparams"]["learning_rate"] == pytest.approx(0.001)
    for name, group in groups.items():
        values = {
            (value["name"]["tag"], value["name"]["group"]): value["value"]
            for value in group["metricValues"]
        }
        for run in ("train", "validation"):
            points = ask("plugin/scalars/scalars", run=f"{name}/{run}", tag="epoch_loss")
            assert values["epoch_loss", run] == pytest.approx(points[-1][2])


def test_trainings_of_one_name_in_two_folders_stay_apart(tmp_path, x):
    for beta in (1.0, 4.0):
        model = make("dense")
        model.beta = beta
        board = TensorBoard(tmp_path / f"beta{beta:.0f}" / "seed0", skip=("graph", "images"))
        model.fit(x, epochs=1, verbose=0, callbacks=[board])
    request = {"experimentName": "", "colParams": [], "startIndex": 0, "sliceSize": 10}
    request |= {"allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING"]}
    with screenshots.tensorboard(tmp_path) as url:
        address = f"{url}/data/plugin/hparams/session_groups"
        header = {"Content-Type": "application/json"}
        question = urllib.request.Request(address, json.dumps(request).encode(), header)
        groups = json.loads(urllib.request.urlopen(question).read())["sessionGroups"]
    assert sorted(group["hparams"]["beta"] for group in groups) == [1.0, 4.0]


def test_the_projector_has_latents_labels_and_thumbnails(ask):
    assert set(ask("plugin/projector/runs")) == {"dense/validation", "conv/validation"}
    run = {"run": "conv/validation", "name": "latents"}
    (embedding,) = ask("plugin/projector/info", run=run["run"])["embeddings"]
    assert embedding["tensorShape"] == [100, 3]
    assert embedding["sprite"]["singleImageDim"] == [8, 8]
    tensor = np.frombuffer(ask("plugin/projector/tensor", **run), "float32")
    assert tensor.size == 100 * 3
    assert len(str(ask("plugin/projector/metadata", **run), "utf-8").split()) == 100
    assert tf.io.decode_png(ask("plugin/projector/sprite_image", **run)).shape == (80, 80, 1)


def test_the_server_works_behind_a_path_prefix(logs):
    with screenshots.tensorboard(logs, "--path_prefix", "/bench", path="/bench") as url:
        page = urllib.request.urlopen(f"{url}/", timeout=30).read().decode()
        assert "TensorBoard" in page
        assert "dense/train" in urllib.request.urlopen(f"{url}/data/runs").read().decode()


in_a_browser = pytest.mark.skipif(
    screenshots.CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason='needs Chromium (Debian: apt install chromium) and pip install -e ".[browser]"',
)


@in_a_browser
@pytest.mark.parametrize("latent_dim", [1, 2, 8])
def test_the_projector_shows_latents_of_any_number(latent_dim, x, tmp_path):
    keras.utils.set_random_seed(0)
    model = VAE(*networks.dense((8, 8, 1), latent_dim, hidden=(8,)))
    model.compile("adam")
    skip = ("graph", "scalars", "images", "histograms", "hparams", "text")
    model.fit(x, verbose=0, callbacks=[TensorBoard(tmp_path / "run", skip=skip)])
    with screenshots.tensorboard(tmp_path) as url, screenshots.browser() as (page, _):
        page.goto(f"{url}/#projector")
        for _ in range(60):
            if found := [frame for frame in page.frames if "projector_binary" in frame.url]:
                break
            page.wait_for_timeout(1000)
        (frame,) = found
        variance = frame.get_by_text("Total variance described")
        variance.wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        assert re.search(r"described: \d+(\.\d+)?%", variance.inner_text())
        assert frame.get_by_text("Points: 300").is_visible()


@in_a_browser
def test_the_page_draws_the_parts_and_contacts_no_other_server(url):
    with screenshots.browser() as (page, asked):
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        screenshots.open_graph(page, url, "dense/train", "decoder")
        drawn = screenshots.drawn(page)
        assert set(drawn) == set(PARTS)
        assert all(group.split()[0] == "core" for group in drawn.values()), drawn
        screenshots.expand(page, "encoder")
        layers = {name for name in screenshots.drawn(page) if name.startswith("encoder/")}
        assert layers >= {
            f"encoder/{name}"
            for name in ("flatten", "hidden_1", "hidden_1_activation", "z_mean", "z_log_var")
        }
        screenshots.expand(page, "loss")
        assert {"loss/reconstruction", "loss/kl"} <= set(screenshots.drawn(page))

        screenshots.open_graph(page, url, "dense/views/generation", "prior")
        assert set(screenshots.drawn(page)) == {"prior", "decoder", "likelihood"}
        for tab in ("images", "projector", "hparams", "timeseries", "text", "histograms"):
            page.goto(f"{url}/#{tab}")
            page.wait_for_timeout(3000)
        foreign = [a for a in asked if not a.startswith((url, "data:", "blob:", "about:"))]
        assert foreign == []
        assert errors == []
