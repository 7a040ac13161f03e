"""The README's tables are those of the JSON files that benchmarks and tutorials keep."""

import importlib.util
import json
import pathlib
import re

from keras_vae import results

ROOT = pathlib.Path(__file__).parents[1]
RECORDS = sorted([*ROOT.glob("benchmarks/results/*.json"), *ROOT.glob("tutorials/results/*.json")])


def load_tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    return tables


def test_the_readmes_tables_are_those_of_the_json_files():
    tables, readme = load_tables(), (ROOT / "README.md").read_text()
    assert sorted(re.findall(r"<!-- table: (\w+) -->", readme)) == sorted(tables.TABLES)
    assert tables.renewed(readme) == readme, "run python benchmarks/tables.py"
    changed = re.sub(r"(<!-- table: mnist -->.*?)\d", r"\g<1>0", readme, count=1, flags=re.DOTALL)
    changed = changed.replace("| RMSE | 0.171 |", "| RMSE | 0.170 |")
    assert changed != readme
    assert tables.renewed(changed) == readme


def test_every_record_says_where_it_comes_from():
    assert len(RECORDS) >= 4
    for path in RECORDS:
        record = results.read(path)
        assert list(record) == ["date", "versions", "machine", "settings", "results"]
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", record["date"])
        assert {"python", "keras", "tensorflow"} <= set(record["versions"])
        assert "seed" in record["settings"], path.name
        assert "/" not in json.dumps(record["machine"])
