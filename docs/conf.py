"""The site. `python -m sphinx docs docs/_build` builds it, from `pip install -e ".[docs]"`.

With `KERAS_VAE_DOCS=execute` it runs the tutorials too and shows their figures, from a cache where
nothing has changed. The pages load nothing from another host.
"""

import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))  # for `site_text`
EXECUTE = os.environ.get("KERAS_VAE_DOCS") == "execute"

# Sphinx reads its own folder only, so the scripts are copied there; git ignores the copies.
COPIES = HERE / "tutorials"
COPIES.mkdir(exist_ok=True)
for old in COPIES.glob("*.py"):
    old.unlink()
for script in [*HERE.parent.glob("tutorials/[0-9]*.py"), HERE.parent / "tutorials" / "lesson.py"]:
    shutil.copy2(script, COPIES)

project = "keras_vae"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design", "site_text"]
exclude_patterns = ["_build", "README.md", "conf.py", "site_text.py", "tutorials/lesson.py"]
exclude_patterns += ["jupyter_execute", "tutorials/output"]

# Pages
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache" if EXECUTE else "off"
nb_execution_cache_path = str(HERE / "_build" / ".jupyter_cache")
nb_execution_timeout = 600  # seconds for a cell
nb_execution_raise_on_error = True
nb_merge_streams = True

# API: docstrings are Google's, and `code` stands in single backticks
autodoc_default_options = {"exclude-members": "get_config"}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
default_role = "code"
napoleon_custom_sections = [("Call arguments", "params_style")]
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
python_maximum_signature_line_length = 90

# Looks
html_theme = "furo"
html_title = "keras_vae"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
