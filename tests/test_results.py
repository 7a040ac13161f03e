"""results.write("speed.json", {"fit": 1.0}, seed=0)"""

import json

import pytest

from keras_vae import results


def test_a_record_holds_results_settings_and_origin(tmp_path):
    path = tmp_path / "made" / "on the way" / "speed.json"
    results.write(path, {"fit": 1.5}, seed=3)
    record = results.read(path)
    assert record["results"] == {"fit": 1.5}
    assert record["settings"] == {"seed": 3}
    assert record["machine"]["cores"] >= 1
    assert record["versions"]["keras_vae"]
    assert [file.name for file in path.parent.iterdir()] == ["speed.json"]


def test_a_failed_write_leaves_the_old_record(tmp_path):
    path = tmp_path / "speed.json"
    results.write(path, {"fit": 1.5}, seed=3)
    before = path.read_text()
    with pytest.raises(TypeError, match="not JSON serializable"):
        results.write(path, {"fit": object()}, seed=3)
    assert path.read_text() == before
    assert json.loads(before)["results"] == {"fit": 1.5}
