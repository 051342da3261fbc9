"""How the documentation's site is built: `make docs`. Everything it shows comes from this tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import workbench

# Sphinx reads only what lies below this folder.
_HERE = Path(__file__).parent
for _notebook in sorted((_HERE.parent / "notebooks").glob("*.ipynb")):
    _copies = _HERE / "generated" / "notebooks"
    _copies.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_notebook, _copies / _notebook.name)

project = "workbench"
author = "the workbench authors"
release = workbench.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
templates_path: list[str] = []

html_theme = "furo"
html_title = "workbench"
html_static_path: list[str] = []
html_show_sourcelink = False

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

# Notebooks are committed without outputs and are tests of their own: here they are only shown.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Terms of other packages that a signature mentions have no page here.
nitpicky = False
