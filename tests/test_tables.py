"""The tables of the pages come from the JSON files of benchmarks and tutorials."""

import importlib.util
import itertools
import json
import pathlib
import re

import numpy as np
from scipy import stats

from keras_vae import results

ROOT = pathlib.Path(__file__).parents[1]
RECORDS = sorted([*ROOT.glob("benchmarks/results/*.json"), *ROOT.glob("tutorials/results/*.json")])


def load_tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    return tables


def test_the_tables_of_the_pages_come_from_the_json_files():
    tables = load_tables()
    pages = [path.read_text() for path in tables.PAGES]
    names = re.findall(r"<!-- table: (\w+) -->", "".join(pages))
    assert sorted(names) == sorted(tables.TABLES)
    for page in pages:
        assert tables.renewed(page) == page, "run python benchmarks/tables.py"
    changed = pages[0].replace("| RMSE | 0.171 |", "| RMSE | 0.170 |")
    assert changed != pages[0]
    assert tables.renewed(changed) == pages[0]


def test_the_longer_tables_come_from_the_json_files():
    tables = load_tables()
    assert sorted(path.stem for path in ROOT.glob("benchmarks/results/*.md")) == [*tables.TEXTS]
    for name, text in tables.TEXTS.items():
        path = ROOT / f"benchmarks/results/{name}.md"
        assert path.read_text() == text(), "run python benchmarks/tables.py"


def test_the_chosen_score_is_the_best_on_the_stand_ins():
    tables = load_tables()
    found = tables.Anomalies.__new__(tables.Anomalies)
    scores = {name: {"auroc": 0.5} for name in tables.anomaly_detection.SCORES}
    best = scores | {"kl": {"auroc": 0.9}, "elbo": {"auroc": 0.7}}
    found.chosen_on = {"one_0_0": best, "one_4_0": best, "nine_0_0": scores}
    found.tested = {"one_0_0": scores | {"elbo": {"auroc": 1.0}}}  # the choice must ignore it
    assert found.chosen("one") == ["kl"]
    found.chosen_on["one_4_0"] = best | {"kl": {"auroc": 0.4}}
    assert found.chosen("one") == ["elbo"]


def test_an_interval_over_seeds_is_that_of_students_t():
    tables, values = load_tables(), np.array([0.90, 0.92, 0.94])
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert tables._with_interval(values) == f"0.920 ± {(high - low) / 2:.3f}"
    assert tables._with_interval(values[:1]) == "0.900"
    by_kind = np.array([[0.9, 0.5, 0.8], [0.9, 0.7, 0.4]])
    assert tables._least(by_kind).tolist() == [0.5, 0.7]  # mean 0.6, as the third kind
    by_kind[:, 1] += 0.1
    assert tables._least(by_kind).tolist() == [0.8, 0.4]


def test_every_record_names_its_origin():
    assert len(RECORDS) >= 4
    for path in RECORDS:
        record = results.read(path)
        assert list(record) == ["date", "versions", "machine", "settings", "results"]
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", record["date"])
        assert {"python", "keras", "tensorflow"} <= set(record["versions"])
        assert "seed" in record["settings"], path.name
        assert "/" not in json.dumps(record["machine"])


def test_rate_distortion_and_units_follow_beta():
    """No mean against the order by more than two standard errors; strictly above 0.05 nat."""
    tables = load_tables()
    for name in ("digits", "mnist"):
        record = results.read(ROOT / f"benchmarks/results/beta_{name}.json")
        rows = list(tables._over_seeds(record["results"]).values())
        assert len(rows) == 7
        for low, high in itertools.pairwise(rows):
            for key, sign in (("kl_loss", -1), ("reconstruction_loss", 1), ("active_units", -1)):
                rise = sign * (high[key].mean() - low[key].mean())
                assert rise >= -2 * np.hypot(stats.sem(high[key]), stats.sem(low[key]))
                if key != "active_units" and high["kl_loss"].mean() > 0.05:
                    assert rise > 0
        assert rows[-1]["kl_loss"].max() < 0.01
        assert rows[-1]["from_class_mean"].max() < 0.01
        best = min(range(7), key=lambda place: -rows[place]["test_elbo"].mean())
        assert list(tables._over_seeds(record["results"]))[best] == "1"
