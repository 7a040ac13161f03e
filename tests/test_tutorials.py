"""Every tutorial runs from top to bottom, in a process of its own, and leaves what it promises."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

TUTORIALS = pathlib.Path(__file__).parents[1] / "tutorials"


@pytest.mark.slow
def test_01_image_generation(tmp_path):
    result = subprocess.run(
        [
            sys.executable,
            TUTORIALS / "01_image_generation.py",
            "--epochs=2",
            f"--output={tmp_path}",
        ],
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "the same after reading back: True" in result.stdout
    text = (tmp_path / "metrics.json").read_text()
    metrics = json.loads(text)
    assert list(metrics) == sorted(metrics)
    names = ["test_loss", "test_reconstruction_loss", "test_kl_loss", "test_log_likelihood"]
    names += ["test_rmse", "test_mae", "active_units", "train_seconds"]
    assert set(metrics) == {*names, *(f"latent23_{name}" for name in names)}
    assert 0 < metrics["test_rmse"] < 0.5
    assert metrics["test_loss"] == pytest.approx(
        metrics["test_reconstruction_loss"] + metrics["test_kl_loss"]
    )
    assert -metrics["test_loss"] - 1 < metrics["test_log_likelihood"]
    assert len(list(tmp_path.glob("*.png"))) == 13
