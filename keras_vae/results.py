"""Results with their origin: JSON with date, versions, machine and settings.

    {"date": ..., "versions": {...}, "machine": {...}, "settings": {...}, "results": {...}}

Tutorials (`--publish`) and benchmarks write these files; the tables of the pages come from them.
"""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import sys

_PACKAGES = ("keras_vae", "keras", "tensorflow", "numpy", "scikit-learn")


def write(path, results, **settings):
    """Write `results` and their origin to a JSON file. A failed write keeps an old file.

    Args:
        path: str or path. A missing folder is created.
        results: dict of numbers, strings, lists and dicts.
        settings: what the results depend on, including `seed`.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
            "system": platform.system(),
        },
        "settings": settings,
        "results": results,
    }
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(json.dumps(record, indent=2) + "\n")
    unfinished.replace(path)


def read(path):
    """The record that `write` wrote to `path`, a dict."""
    return json.loads(pathlib.Path(path).read_text())


def _versions():
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # not installed, and not needed
    return found


def _processor():
    """The processor's name from Linux, else from Python."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
