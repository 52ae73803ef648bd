"""Settings of the documentation: sphinx-build -W docs docs/_build/html."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

# Kernels of notebooks would inherit it, and show no pictures.
os.environ.pop("MPLBACKEND", None)

from scmamba import __version__  # noqa: E402

project = "scmamba"
author = "scmamba developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    "sphinxext.opengraph",
    # in _ext
    "api_pages",
    "docstrings",
    "figures",
    "llms_txt",
    "mathml",
    "notebooks",
    "short_inventories",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**.ipynb_checkpoints", "tutorials/README.md"]
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
nitpicky = True

# -- pages -----------------------------------------------------------------------------------
html_theme = "sphinx_book_theme"
html_math_renderer = "mathml"
html_title = "scmamba"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {
    "path_to_docs": "docs",
    "show_navbar_depth": 1,
    "use_download_button": False,
    "navbar_persistent": [],
}
html_show_sourcelink = False
llms_sections = {
    "Start": ["index", "installation", "quickstart"],
    "User guide": ["guide/*", "models/*"],
    "How-to": ["howto/*"],
    "Tutorials": ["tutorials/*"],
    "API": ["api/*"],
    "Background": [
        "benchmarks",
        "architecture",
        "reliability",
        "scaling",
        "changelog",
        "contributing",
        "conduct",
    ],
}
ogp_site_url = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
ogp_social_cards = {"enable": False}
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# -- notebooks -------------------------------------------------------------------------------
# SCMAMBA_DOCS_NOTEBOOKS=force runs them, as Read the Docs does; "off" shows them without outputs.
# The tests run each of them too.
nb_execution_mode = os.environ.get(
    "SCMAMBA_DOCS_NOTEBOOKS", "force" if os.environ.get("READTHEDOCS") else "off"
)
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 600
nb_execution_in_temp = True
nb_merge_streams = True
nb_output_stderr = "show"

# -- API -------------------------------------------------------------------------------------
autosummary_generate = True
autosummary_imported_members = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # written by _ext/docstrings.py, as they stand in the source
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False
