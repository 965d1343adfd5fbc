"""Sphinx configuration: ``sphinx-build docs docs/_build``."""

import os

import sknn_opt

project = "sknn_opt"
author = copyright = "The sknn_opt developers"
release = version = sknn_opt.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "py:obj"
html_theme = "pydata_sphinx_theme"

autosummary_generate = True
numpydoc_show_class_members = False
extlinks = {"arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s")}

# Links into other projects' pages need their inventories, from the network.
if os.environ.get("SKNN_OPT_DOCS_OFFLINE"):
    suppress_warnings = ["ref.ref", "ref.term"]
else:
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_timeout = 10
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }
