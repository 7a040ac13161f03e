"""Run the Python blocks of a page in order, as a reader pastes them into one process.

    python tools/run_pages.py            makes the figures of the README anew

A block's output stands below it, indented by four spaces.
"""

import contextlib
import io
import os
import pathlib
import re
import shutil
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
_BLOCK = re.compile(r"^```python\n(.*?)^```\n((?:\n| {4}[^\n]*\n)*)", re.MULTILINE | re.DOTALL)


def blocks(page):
    """[(code, expected output)] of a Markdown page."""
    found = _BLOCK.findall(pathlib.Path(page).read_text())
    return [
        (code, "".join(line[4:] for line in output.splitlines(keepends=True)).strip())
        for code, output in found
    ]


def run(page, change=lambda code: code):
    """Execute the blocks in the current folder; gives [(printed, expected)].

    Args:
        page: path of a Markdown file.
        change: function of a block, to shorten its trainings.
    """
    namespace, outputs = {}, []
    for code, expected in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(change(code), namespace)
        outputs.append((printed.getvalue().strip(), expected))
    return outputs


def main():
    import matplotlib as mpl

    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for printed, expected in run(ROOT / "README.md"):
            if printed != expected:
                raise ValueError(
                    f"The README expects {expected!r}, and the block prints {printed!r}."
                )
        for figure in pathlib.Path(folder).glob("*.png"):
            shutil.copy(figure, ROOT / "tutorials" / "figures" / figure.name)
            print(f"tutorials/figures/{figure.name}")


if __name__ == "__main__":
    main()
