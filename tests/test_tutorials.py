"""Every tutorial runs from top to bottom, in a separate process, and writes its files."""

import functools
import importlib.util
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

TUTORIALS = pathlib.Path(__file__).parents[1] / "tutorials"
MNIST = pathlib.Path(os.environ.get("KERAS_HOME", "")) / "datasets" / "mnist"
ENVIRONMENT = {**os.environ, "MPLBACKEND": "Agg"}

pytestmark = pytest.mark.slow


@functools.cache
def run(name, *flags):
    """What a tutorial prints in two epochs, and the folder of its output."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=name))
    result = subprocess.run(
        [sys.executable, TUTORIALS / name, "--epochs=2", f"--output={folder}", *flags],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, folder


def pictures_in(folder):
    """The figures in their order, without their numbers, which count from 1."""
    files = sorted(path.stem for path in folder.glob("*.png"))
    assert [int(file[:2]) for file in files] == list(range(1, len(files) + 1))
    return [file[3:] for file in files]


@pytest.mark.parametrize("name", sorted(path.name for path in TUTORIALS.glob("[0-9]*.py")))
def test_every_tutorial_runs_and_writes_figures_and_metrics(name):
    _, folder = run(name)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics) == sorted(metrics)
    assert all(isinstance(value, (int, float)) for value in metrics.values())
    assert pictures_in(folder)


NAMES = ["test_loss", "test_reconstruction_loss", "test_kl_loss", "test_log_likelihood"]
NAMES += ["test_rmse", "test_mae", "active_units"]


def test_01_image_generation():
    output, folder = run("01_image_generation.py")
    assert "the same after reading back: True" in output
    metrics = json.loads((folder / "metrics.json").read_text())
    names = [*NAMES, "train_seconds"]
    assert set(metrics) == {*names, *(f"latent23_{name}" for name in names), "conv_test_elbo"}
    assert 0 < metrics["test_rmse"] < 0.5
    assert metrics["test_loss"] == pytest.approx(
        metrics["test_reconstruction_loss"] + metrics["test_kl_loss"]
    )
    assert -metrics["test_loss"] - 1 < metrics["test_log_likelihood"]
    assert len(pictures_in(folder)) == 13
    assert "gradient in μ: of a drawn z there is none (None)" in output
    for step in ("figure: 01_data.png", "trained: 23 latents", "trained: convolutions"):
        assert step in output


@pytest.mark.skipif(not MNIST.exists(), reason="no files in $KERAS_HOME/datasets/mnist")
def test_01_on_mnist_trains_the_network_of_the_thesis_too():
    output, folder = run("01_image_generation.py", "--dataset=mnist")
    metrics = json.loads((folder / "metrics.json").read_text())
    for kind in ("thesis", "thesis_spread", "thesis_relu"):
        assert {f"{kind}_{name}" for name in NAMES} <= set(metrics)
    assert 0.05 < metrics["thesis_test_rmse"] < 0.2  # two epochs of twenty
    assert 0 < metrics["thesis_spread_test_rmse"] < 0.01
    assert "0.171" in output


def test_02_tensorboard():
    output, folder = run("02_tensorboard.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    names = ("latent2", "latent8", "latent8_beta4")
    assert set(metrics) == {
        f"{name}_{key}" for name in names for key in ("elbo", "kl_loss", "active_units")
    }
    assert f"tensorboard --logdir {folder / 'logs'}" in output
    assert pictures_in(folder) == ["graph", "graph_inference", "graph_generation", "history"]
    for name in names:
        assert list((folder / "logs" / name / "train").glob("events.out.tfevents*"))
        assert (folder / "logs" / name / "validation" / "labels.tsv").exists()


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("jupytext", "nbconvert", "ipykernel"))),
    reason='jupytext is not installed: pip install -e ".[notebook]"',
)
def test_01_runs_as_a_notebook(tmp_path):
    notebook = tmp_path / "01_image_generation.ipynb"
    command = [sys.executable, "-m", "jupytext", "--to", "notebook", "--execute"]
    command += ["--run-path", tmp_path, "--output", notebook]
    shutil.copy(TUTORIALS / "lesson.py", tmp_path)  # it stands beside the tutorial
    result = subprocess.run(
        [*command, TUTORIALS / "01_image_generation.py"],
        env={name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    cells = json.loads(notebook.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 13
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert (tmp_path / "output" / "01_image_generation" / "metrics.json").exists()


def test_03_conditional_generation():
    output, folder = run("03_conditional_generation.py", "--text=1917")
    assert "the same after reading back: True" in output
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in ("prior", "mixture", "learned_prior"):
        assert 0 <= metrics[f"accepted_{name}"] <= 1
        assert metrics[f"variance_{name}"] > 0
    assert metrics["accepted_test_images"] > 0.5  # two epochs of a judge of 36 classes
    value_of_the_class = metrics["log_p_given_class"] - metrics["log_p_summed_over_classes"]
    assert value_of_the_class < math.log(36)
    pictures = pictures_in(folder)
    assert {"sentence", "sliders", "analogies"} <= set(pictures)
    assert len(pictures) == 8


def test_tutorial_03_refuses_characters_that_it_cannot_write():
    command = [sys.executable, TUTORIALS / "03_conditional_generation.py"]
    command += ["--dataset=digits", "--text=Hi 5"]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--text has H, I; digits knows 0123456789." in result.stderr


def test_04_denoising():
    output, folder = run("04_denoising.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    ways = ("autoencoder", "vae", "inference", "one_pass", "wiener", "pca", "median")
    for way in ("noisy", "cut", *ways):
        for level in ("0.1", "0.25", "0.5", "0.75", "1.0"):
            assert metrics[f"psnr_{way}_{level}"] > -0.1  # 0 dB at a σ of 1
            assert 0 < metrics[f"ssim_{way}_{level}"] < 1
    for noise in ("salt_and_pepper_0.5", "masking_0.5", "speckle_0.5", "clipped_0.5"):
        assert metrics[f"psnr_wiener_{noise}"] > metrics[f"psnr_cut_{noise}"]
    assert metrics["psnr_wiener_0.5"] > metrics["psnr_pca_0.5"]
    assert "!" in output.split("Gaussian noise (")[1]
    expected = {"ways", "levels", "extreme", "not_trained", "draws"}
    assert expected <= set(pictures_in(folder))


def test_05_anomaly_detection():
    output, folder = run("05_anomaly_detection.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    for score in ("squared_error", "elbo", "distance_and_error", "both_distances", "neighbours"):
        for prefix in ("", "one_normal_"):
            each = [metrics[f"{prefix}auroc_{score}_{digit}"] for digit in (9, 1, 4)]
            assert metrics[f"{prefix}auroc_{score}_mean"] == pytest.approx(sum(each) / 3)
    for score in ("cosine_neighbours", "both_distances", "class_distance"):
        assert metrics[f"auroc_{score}_mean"] > 0.75  # two epochs of forty
    assert metrics["table_auroc_neighbours"] > 0.9
    assert "the Report: 0.63" in output
    expected = ["reconstructions", "tsne", "error_and_roc", "roc", "found_and_missed", "ones"]
    assert pictures_in(folder) == expected


def test_06_beta():
    output, folder = run("06_beta.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    betas = ("0.001", "0.01", "0.1", "1", "10", "100", "1024")
    rates = [metrics[f"kl_loss_beta_{beta}"] for beta in betas]
    assert rates[0] > rates[2] > rates[4] > rates[6]  # two epochs of fifteen
    assert metrics["active_units_beta_0.001"] == 6
    assert metrics["active_units_beta_1024"] <= 1
    assert 0 <= metrics["sprites_gap_β=4"] <= 1
    assert "KL of the last epoch" in output
    expected = ["latents", "images", "reconstructions", "variance", "rate_distortion", "control"]
    expected += ["sprites", "mutual_information", "traversals"]
    assert pictures_in(folder) == expected


def test_07_twelve_networks():
    output, folder = run("07_twelve_networks.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert len([name for name in metrics if name.endswith("_log_p")]) == 12
    for place in range(1, 13):
        assert metrics[f"{place:02}_log_p"] > metrics[f"{place:02}_elbo"]
    assert output.count("hold") + output.count("not decided") >= 9
    assert pictures_in(folder) == ["pictures"]
    assert len(list((folder / "logs").iterdir())) == 12


def test_08_missing_values():
    output, folder = run("08_missing_values.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    for way in ("mean of each pixel", "100-NN", "the Thesis's VAE", "VAE, gradient steps"):
        ratio = metrics[f"rmse_{way}"] / metrics[f"missing_{way}"]
        assert ratio == pytest.approx(0.4**0.5, rel=1e-3)  # two fifths of the pixels are missing
    assert metrics["missing_the Thesis's VAE"] > 0.9 * metrics["missing_mean of each pixel"]
    assert metrics["half at random_gradient steps"] < metrics["half at random_mean of each pixel"]
    assert 0.3 < metrics["table_country"] <= 1
    assert "right country" in output
    assert pictures_in(folder) == ["mask", "loop", "ways", "classes"]


def test_09_films():
    output, folder = run("09_films.py")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert 0.5 < metrics["match"] < 1
    assert metrics["rmse_between_fillings"] < metrics["rmse_biases"]
    for way in ("popularity", "item neighbours", "EASE", "VAE"):
        assert 0 < metrics[f"ndcg_{way}"] < 1
    assert "the Thesis: 0.080, 91 %" in output
    assert pictures_in(folder) == ["table", "errors"]
