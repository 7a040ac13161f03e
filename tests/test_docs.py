"""Every number that the code cites has a row in `docs`, and every test named there exists."""

import ast
import collections
import io
import pathlib
import re
import tokenize

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TRAPS, LECTURE = ROOT / "docs" / "keras_traps.md", ROOT / "docs" / "lecture.md"
FOLDERS = ("keras_vae", "tests", "tutorials", "benchmarks")
OTHERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml")

NUMBER = r"(?:[1-9]\d?\.\d{1,2}|[TDE]\d{1,2})"
ANY_NUMBER = r"(?:[1-9]\d?\.\d{1,2}|[TDE]\d{1,2}|[1-9]\d?)"  # also a whole section
ROW = r"[FAMCT]\d{1,2}"
BETWEEN = r"(?:,?\s+(?:and|or|to)\s+|[,;]\s+)"


def several(item):
    return rf"{item}(?:{BETWEEN}{item})*"


TRAP_FORMS = (  # KERAS3 4.2; KERAS3 T8, T15; KERAS3 15; and only in comments: (9.2), (D3)
    rf"KERAS3\s+({several(ANY_NUMBER)}\b)",
    rf"(?:^|\s)\(({several(NUMBER)})\)",
)
ROW_FORMS = (  # row F4; lecture rows F1 to F3; (F3); "F1: a mean over the pixels ..."
    rf"\brows?\*?\s+(?:such\s+as\s+)?({several(ROW)}\b)",
    r"(?:^|\s)\(([FAMC]\d{1,2})\)",
    r"^([FAMC]\d{1,2}):",
)


def prose(source):
    """Docstrings and comments of Python code; comments on consecutive lines are one text."""
    texts, last_line = [], -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        line = token.start[0]
        if token.type == tokenize.STRING:
            texts.append(re.sub(r"^[a-zA-Z]*[\"']+", "", token.string))
        elif token.type == tokenize.COMMENT:
            text = token.string.lstrip("#% ")
            if line == last_line + 1:
                texts[-1] += f" {text}"
            else:
                texts.append(text)
            last_line = line
    return texts


def numbers_of_test(name):
    """The traps that a test's name cites: `..._keras3_t8_t15` gives T8 and T15."""
    suffix = re.search(r"_keras3((?:_[tde]?\d+)+)$", name)
    found = re.findall(r"[tde]\d+|\d+_\d+", suffix[1]) if suffix else []
    return [number.replace("_", ".").upper() for number in found]


def cited_in(texts, forms):
    """Numbers that texts cite in one of the forms; a range gives all its numbers."""
    for text in texts:
        for form in forms:
            for match in re.finditer(form, text):
                for part in re.split(r"[,;]\s+|,?\s+(?:and|or)\s+", match[1]):
                    first, _, last = (each.strip() for each in part.partition(" to "))
                    if last:
                        span = range(int(first[1:]), int(last[1:]) + 1)
                        yield from (f"{first[0]}{number}" for number in span)
                    else:
                        yield first


def citations(forms, names=False):
    """{number: files that cite it}."""
    found = collections.defaultdict(set)
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        if path != pathlib.Path(__file__):
            source = path.read_text()
            numbers = [*cited_in(prose(source), forms)]
            if names:
                for name in re.findall(r"def (test_\w+)", source):
                    numbers += numbers_of_test(name)
            for number in numbers:
                found[number].add(path.name)
    for path in (ROOT / name for name in OTHERS):
        for number in cited_in([path.read_text()], forms[:1]):
            found[number].add(path.name)
    return found


def rows_of(path, number):
    """{number: rest of the row} for every table in a page."""
    rows = re.findall(rf"^\| ({number}) \|(.*)\|$", path.read_text(), re.MULTILINE)
    assert len({first for first, _ in rows}) == len(rows), f"{path.name} has a row twice"
    return dict(rows)


@pytest.fixture(scope="module")
def traps():
    return rows_of(TRAPS, ANY_NUMBER)


def test_a_citation_is_found_in_every_form():
    source = (
        '"""Of a loss (KERAS3 6.1, 19.8; lecture rows F1 to F3).\n\nNo state (KERAS3\n4.5)."""\n'
        "loss = Gaussian(1.5)  # the vector (3.1), on two\n"
        "# devices too (D2 and D3)\n"
        "def test_a():\n"
        '    """F8: as in row A5."""  # the trick (M1)\n'
    )
    texts = prose(source)
    traps = ["6.1", "19.8", "4.5", "3.1", "D2", "D3"]
    assert sorted(cited_in(texts, TRAP_FORMS)) == sorted(traps)
    assert sorted(cited_in(texts, ROW_FORMS)) == ["A5", "F1", "F2", "F3", "F8", "M1"]
    assert numbers_of_test("test_a_law_keras3_4_2") == ["4.2"]
    assert numbers_of_test("test_a_law_keras3_t8_t15") == ["T8", "T15"]
    assert numbers_of_test("test_a_law_4_2") == []


def test_every_trap_that_is_cited_has_a_row(traps):
    found = citations(TRAP_FORMS, names=True)
    assert len(found) > 30
    assert sum(map(len, found.values())) > 45
    missing = {number: files for number, files in found.items() if number not in traps}
    assert not missing, f"docs/keras_traps.md has no row for {missing}"


def test_every_row_of_the_lecture_that_is_cited_exists():
    found = citations(ROW_FORMS)
    assert len(found) > 12
    assert sum(map(len, found.values())) > 20
    rows = rows_of(LECTURE, ROW)
    missing = {number: files for number, files in found.items() if number not in rows}
    assert not missing, f"docs/lecture.md has no row for {missing}"


def test_the_lecture_has_all_its_rows():
    rows = rows_of(LECTURE, ROW)
    last = {"F": 8, "A": 18, "M": 11, "C": 5, "T": 2}
    assert list(rows) == [f"{letter}{i + 1}" for letter, n in last.items() for i in range(n)]


def test_every_test_that_a_row_names_exists(traps):
    named = 0
    for number, rest in traps.items():
        for path, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", rest):
            tree = ast.parse((ROOT / path).read_text())
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert name in functions, f"{number}: {path} has no {name}"
            named += 1
    assert named > 30


def test_the_row_of_a_tested_trap_names_a_test(traps):
    checked = 0
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE):
            for number in numbers_of_test(name):
                assert "::test_" in traps.get(number, ""), f"{number} names no test: {name}"
                checked += 1
    assert checked > 30


def test_every_file_that_the_pages_name_exists():
    named = 0
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text()
        for path in re.findall(r"\b((?:keras_vae|tests|benchmarks|tutorials)/[\w/.]*\w)", text):
            script = ROOT / f"{path}.py"  # the gallery names tutorials without their ending
            assert (ROOT / path).exists() or script.exists(), f"{page.name} names {path}"
            named += 1
    assert named > 50


def anchors_of(page):
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_link_of_every_page_resolves():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    pages = [page for page in pages if "_build" not in page.parts]
    links = with_anchor = 0
    for page in pages:
        text = re.sub(r"```(?!\{).*?```", "", page.read_text(), flags=re.DOTALL)
        found = re.findall(r"\]\(([^()\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
        for link in found:
            if link.startswith(("http://", "https://")):
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name} links to {link}"
            if anchor:
                assert anchor in anchors_of(target), f"{page.name} links to {link}"
                with_anchor += 1
            links += 1
    assert links > 100
    assert with_anchor >= 8


def test_the_map_names_every_file_of_the_library():
    """An entry for a folder covers its files."""
    page = (ROOT / "docs" / "map.md").read_text()
    entries = re.search(r"```\nkeras_vae/\n(.*?)\ntutorials/", page, re.DOTALL)[1]
    names = re.findall(r"^    (\S+)", entries, re.MULTILINE)
    assert len(names) > 20
    for name in names:
        assert (ROOT / "keras_vae" / name).exists(), f"the map names {name}"
    for path in (ROOT / "keras_vae").rglob("*.py"):
        name = str(path.relative_to(ROOT / "keras_vae"))
        folders = [each for each in names if each.endswith("/") and name.startswith(each)]
        assert folders or name in names or path.name == "__init__.py", f"the map lacks {name}"


def test_the_files_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = re.findall(r"`((?:keras_vae|tests|docs|benchmarks)/[\w/]+\.\w+)`", text)
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), f"CONTRIBUTING.md names {path}"
