"""The site is built without a warning, loads nothing from another host, and no link is broken."""

import collections
import html.parser
import importlib.util
import os
import pathlib
import subprocess
import sys
import urllib.parse

import pytest

from keras_vae import zoo

ROOT = pathlib.Path(__file__).parents[1]
NEEDED = ("sphinx", "myst_nb", "furo", "sphinx_design", "latex2mathml")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, NEEDED)),
        reason='the site needs pip install -e ".[docs]"',
    ),
]

LOADED = {  # what a browser fetches by itself, by tag
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src",),
}


class Page(html.parser.HTMLParser):
    """Links, anchors, loaded files and the number of each tag of one page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors, self.loads = [], set(), []
        self.tags = collections.Counter()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags[tag] += 1
        self.anchors.add(attributes.get("id"))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and attributes.get("rel") not in ("next", "prev", "index", "search"):
            self.loads.append(attributes["href"])
        self.loads += [attributes[name] for name in LOADED.get(tag, ()) if attributes.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_VAE_DOCS"}
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", ROOT / "docs", folder],
        env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_the_site_has_the_tutorials_the_models_and_the_interface(site, pages):
    for tutorial in (ROOT / "tutorials").glob("[0-9]*.py"):
        assert site / "tutorials" / f"{tutorial.stem}.html" in pages
    for page in ("index", "gallery", "api", "changelog", "contributing"):
        assert site / f"{page}.html" in pages
    for name in ("autoencoder", "vae", "beta_vae", "conditional_vae"):
        assert site / "models" / f"{name}.html" in pages
    for name in zoo.__all__:
        assert f"keras_vae.{name}" in pages[site / "api" / "models.html"].anchors


def test_every_tutorial_has_a_card_in_the_gallery():
    gallery = (ROOT / "docs" / "gallery.md").read_text()
    for tutorial in (ROOT / "tutorials").glob("[0-9]*.py"):
        assert f":link: tutorials/{tutorial.stem}\n" in gallery


def test_no_page_loads_anything_from_another_host(site, pages):
    files = 0
    for path, page in pages.items():
        for address in page.loads:
            parts = urllib.parse.urlsplit(address)
            assert not parts.netloc, f"{path.name} loads {address}"
            assert parts.scheme in ("", "data"), f"{path.name} loads {address}"
            files += 1
    assert files > 100
    for style in site.rglob("*.css"):
        text = style.read_text()
        for foreign in ("url(http", "url(//", 'url("http', '@import "http', "@import url(http"):
            assert foreign not in text, f"{style.name} has {foreign}"


def test_formulas_are_mathml(site, pages):
    page = pages[site / "tutorials" / "01_image_generation.html"]
    assert page.tags["math"] > 40
    for path in (site / "tutorials").glob("*.html"):
        assert "$$" not in path.read_text(), path.name


def test_every_link_within_the_site_leads_to_a_file_and_to_an_anchor(site, pages):
    checked = anchors = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve()
            target = path if not parts.path else target
            assert target.is_file(), f"{path.name} links to {link}"
            assert target.is_relative_to(site.resolve()), f"{path.name} links to {link}"
            checked += 1
            if parts.fragment and target.suffix == ".html":
                anchor = urllib.parse.unquote(parts.fragment)
                found = pages[target] if target in pages else Page(target)
                assert anchor in found.anchors, f"{path.name} links to {link}"
                anchors += 1
    assert checked > 500
    assert anchors > 50
