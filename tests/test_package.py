"""The package as a whole: its imports, its public names, the promises of the README."""

import doctest
import importlib
import importlib.util
import os
import pathlib
import pkgutil
import re
import subprocess
import sys
import tomllib

import pytest

import keras_vae
from keras_vae import zoo

ROOT = pathlib.Path(__file__).parents[1]


def in_fresh_process(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )


@pytest.mark.slow
def test_the_library_imports_and_trains_without_its_optional_dependencies():
    result = in_fresh_process(
        "import sys\n"
        "for name in ('matplotlib', 'sklearn', 'tensorboard'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np\n"
        "import keras_vae\n"
        "vae = keras_vae.VAE(*keras_vae.networks.dense((8, 8, 1), 2))\n"
        "vae.compile('adam')\n"
        "vae.fit(np.zeros((10, 8, 8, 1)), verbose=0)\n"
        "try:\n"
        "    keras_vae.plotting\n"
        "except ImportError:\n"
        "    print('fine')\n"
    )
    assert result.stdout.endswith("fine\n"), result.stderr


@pytest.mark.slow
def test_the_wheel_holds_the_models_and_the_data(tmp_path):
    """Installed without its dependencies, which the environment has, and used from elsewhere."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    subprocess.run([*pip, "wheel", str(ROOT), *options], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("keras_vae-*.whl")
    assert wheel.stat().st_size < 4_000_000
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    code = (
        "import keras_vae\n"
        "assert keras_vae.__file__.startswith(SITE), keras_vae.__file__\n"
        "from keras_vae import datasets, pretrained\n"
        "(x, y), _ = datasets.load_characters('digits')\n"
        "assert pretrained.card('conditional_emnist')['results']\n"
        "vae = keras_vae.load_pretrained('conditional_emnist')\n"
        "print(x.shape, vae.generate(2, condition=[1, 30]).shape)\n"
    ).replace("SITE", repr(str(site)))
    environment = {**os.environ, "PYTHONPATH": str(site)}
    result = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert result.stdout.split("\n")[-2] == "(3200, 28, 28, 1) (2, 28, 28, 1)", result.stderr


def test_every_public_name_exists():
    for name in keras_vae.__all__:
        assert getattr(keras_vae, name) is not None
        assert name in dir(keras_vae)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = keras_vae.nothing


def test_every_model_is_a_top_level_name_and_registered():
    import keras

    for name in zoo.__all__:
        cls = getattr(keras_vae, name)
        assert keras.saving.get_registered_name(cls) == f"keras_vae>{name}"


@pytest.mark.slow
def test_the_examples_in_docstrings_run():
    import keras
    import numpy as np
    import tensorflow as tf

    names = {"np": np, "keras": keras, "tf": tf, "keras_vae": keras_vae}
    attempted = 0
    for module in pkgutil.walk_packages(keras_vae.__path__, "keras_vae."):
        if module.name == "keras_vae.page.blocks" and importlib.util.find_spec("gradio") is None:
            continue
        result = doctest.testmod(importlib.import_module(module.name), extraglobs=names)
        assert result.failed == 0, module.name
        attempted += result.attempted
    assert attempted > 20


def test_modules_import_only_modules_of_the_same_or_a_lower_level():
    levels = [
        {"checks", "datasets", "metrics", "plotting", "results"},
        {"noise"},
        {"distributions"},
        {"likelihoods", "priors", "optimizers", "batching"},
        {"networks"},
        {"models", "callbacks"},
        {"pretrained", "tasks", "zoo"},
        {"page"},
    ]
    level_of = {module: level for level, modules in enumerate(levels) for module in modules}
    independent = {"datasets", "metrics", "plotting", "results"}
    found = 0
    for path in (ROOT / "keras_vae").rglob("*.py"):
        parts = path.relative_to(ROOT / "keras_vae").parts
        module = parts[0].removesuffix(".py")
        if module == "__init__":
            continue
        text = path.read_text()
        imported = set(re.findall(r"^\s*from keras_vae\.(\w+)", text, re.MULTILINE))
        for names in re.findall(r"^\s*from keras_vae import ([\w, ]+)", text, re.MULTILINE):
            imported |= {name.strip() for name in names.split(",")}
        imported -= {module}
        found += len(imported)
        for other in imported:
            assert module not in independent, f"{path.name} imports {other}"
            assert level_of[other] <= level_of[module], f"{path.name} imports {other}"
            assert {module, other} != {"models", "callbacks"}
            allowed = module != "models" or other not in independent
            assert allowed, f"{path.name} imports {other}"
    assert found > 10


_PATH = ROOT / "tools" / "run_pages.py"
_SPEC = importlib.util.spec_from_file_location("run_pages", _PATH)
run_pages = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(run_pages)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        *("README.md", "docs/own_data.md", "docs/own_model.md", "docs/own_networks.md"),
        *("docs/start.md", "docs/production.md", "docs/devices.md", "docs/fine_tuning.md"),
        *("docs/keras2.md", "docs/faq.md", "docs/versions.md"),
        *sorted(f"docs/models/{path.name}" for path in (ROOT / "docs" / "models").glob("*.md")),
    ],
)
def test_the_blocks_of_a_page_run_as_pasted_and_print_what_stands_below(
    page, monkeypatch, tmp_path
):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.chdir(tmp_path)
    outputs = run_pages.run(ROOT / page, lambda code: re.sub(r"epochs=\d\d\b", "epochs=2", code))
    assert outputs
    for printed, expected in outputs:
        assert printed == expected
    if page == "README.md":
        assert {path.name for path in tmp_path.glob("*.png")} == {"ten_lines.png", "keras.png"}


def test_the_readme_is_short_and_its_first_block_too():
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 170
    code, _ = run_pages.blocks(ROOT / "README.md")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


def test_the_readme_names_every_model_and_tutorial():
    readme = (ROOT / "README.md").read_text()
    for name in zoo.__all__:
        assert f"`{name}`" in readme
    for path in re.findall(r"\]\(([\w/.]+)\)|src=\"([\w/.]+)\"", readme):
        assert (ROOT / "".join(path)).exists(), path
    for tutorial in (ROOT / "tutorials").glob("[0-9]*.py"):
        assert tutorial.name in readme
    sections = {
        re.sub(r"\W+", "-", line[3:].lower()) for line in readme.splitlines() if line[:3] == "## "
    }
    for anchor in re.findall(r"\]\(#([\w-]+)\)", readme):
        assert anchor in sections


def test_requirements_equal_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ROOT / "requirements.txt").read_text().splitlines()[-1] == "-e .[test]"
    names = {re.split(r"[<>=\[]", dependency)[0] for dependency in project["dependencies"]}
    keras = {"tensorflow", "keras", "tensorboard"}
    assert names == keras | {"numpy", "scipy", "matplotlib", "scikit-learn"}
