"""How the texts of the repository become those of the site; an extension of Sphinx.

- Formulas become MathML, which browsers draw without a script.
- Links of a page lead to a page of the site where there is one, and to a download otherwise.
- Docstrings, which are written as plain text, become reStructuredText.
"""

import functools
import inspect
import os
import pathlib
import re

import keras
from docutils import nodes
from latex2mathml.converter import convert

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = {  # by the file that a link names, where the page has another name
    "README.md": "docs/index.md",
    "docs/README.md": "docs/index.md",
    "CHANGELOG.md": "docs/changelog.md",
    "CONTRIBUTING.md": "docs/contributing.md",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#:\s]+)(#[\w-]+)?\)")
_SECTION = re.compile(r"(Args|Call arguments|Returns|Raises|Examples?|Yields):\s*$")
_MODELS = """
```{toctree}
:hidden:

models/autoencoder
models/vae
models/beta_vae
models/beta_tc_vae
models/factor_vae
models/info_vae
models/conditional_vae
models/iwae
models/partly_linear_vae
```
"""


# Formulas ----------------------------------------------------------------------------------


_SPACES = (  # as LaTeX has them: log p with a thin space, x ~ p as a relation, p(x|z) closely
    (r'(<mi>(?:log|max)</mi>)(?!<mo stretchy="false">&#x00028;)', r'\1<mspace width="0.17em"/>'),
    (r"<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"),
    (r'<mo stretchy="false">(?=&#x0007C;)', '<mo stretchy="false" lspace="0.1em" rspace="0.1em">'),
)


def formula(writer, node, display):
    html = convert(node.astext(), display=display)
    for old, new in _SPACES:
        html = re.sub(old, new, html)
    writer.body.append(html if display == "inline" else f'<div class="math">{html}</div>\n')
    raise nodes.SkipNode


# Links -------------------------------------------------------------------------------------


def rewrite_links(app, name, source):
    """Links as GitHub reads them, from a file of the repository to another, as the site does."""
    if pathlib.Path(app.env.doc2path(name)).suffix != ".md":
        return
    folder = ROOT / "docs" / pathlib.Path(name).parent
    source[0] = _LINK.sub(functools.partial(_on_the_site, folder), source[0])
    if name == "models":
        source[0] += _MODELS


def _on_the_site(folder, match):
    image, text, target, anchor = match.groups()
    if image or not (folder / target).exists():
        return match[0]
    path = os.path.relpath(folder / target, ROOT)
    page = ROOT / PAGES.get(path, path if path.startswith("docs/") else f"docs/{path}")
    if page.name == "index.md":
        return f"[{text}]({os.path.relpath(page, folder)})"
    if page.is_file() and page.name != "lesson.py":
        return f"[{text}]({os.path.relpath(page, folder)}{anchor or ''})"
    if (folder / target).is_file():
        return f"{{download}}`{text.replace('`', '')} <{target}>`"
    return text


# Docstrings --------------------------------------------------------------------------------


def plain_to_rest(app, what, name, obj, options, lines):
    """Indented formulas and code of a docstring are literal; its stars and bars mean nothing.

    The indented lines of a section such as `Args:` are left to Napoleon.
    """
    result, text, section, literal = [], [], False, False
    for before, line in zip(["", *lines], lines, strict=False):
        if line and not line.startswith("    "):
            section, literal = bool(_SECTION.match(line)), False
        elif line and not section and not literal:
            if before:
                line = line.strip()  # the second line of a paragraph or of an item
            else:
                result += [*_escaped(text), "::", ""]
                text, literal = [], True
        if literal or line.startswith(">>>"):
            result += [*_escaped(text), line]
            text = []
        else:
            text.append(line)
    lines[:] = [*result, *_escaped(text)]


def _escaped(lines):
    parts = re.split(r"(``.*?``|`[^`]*`)", "\n".join(lines))
    parts[::2] = [re.sub(r"^(?=\w)|([*|]|_\b)", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).split("\n") if lines else []


def property_text(app, what, name, obj, options, lines):
    """Napoleon takes what stands before a colon for the type of a property; it is a sentence."""
    if what == "property":
        lines[:] = _escaped(inspect.getdoc(obj).splitlines())


def signature_of_class(app, what, name, obj, options, signature, returns):
    """The constructor's arguments; Keras hides them behind `(*args, **kwargs)`."""
    if what == "class" and issubclass(obj, keras.layers.Layer):
        arguments = [*inspect.signature(obj.__init__).parameters.values()][1:]
        return str(inspect.Signature(arguments)), returns
    return None


def without_requests(app, what, name, obj, skip, options):
    """scikit-learn gives every estimator methods such as `set_fit_request`."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app):
    inline, block = (functools.partial(formula, display=kind) for kind in ("inline", "block"))
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("source-read", rewrite_links)
    app.connect("autodoc-process-docstring", plain_to_rest, priority=400)  # before Napoleon
    app.connect("autodoc-process-docstring", property_text, priority=600)  # after Napoleon
    app.connect("autodoc-process-signature", signature_of_class)
    app.connect("autodoc-skip-member", without_requests)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
