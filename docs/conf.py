"""Sphinx configuration: ``sphinx-build -W docs docs/_build``.

Add ``-D plot_gallery=0`` to leave the examples of the gallery unexecuted. Tables of components
are written to ``generated/`` from the registries at each build; see ``component_tables.py``.
"""

import logging
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

# Links from an example to what it imports are made without running it, too.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sphinx.ext.autosummary.generate import generate_autosummary_docs

import sknn_opt

_HERE = Path(__file__).parent
_GENERATED = _HERE / "generated"
sys.path.insert(0, str(_HERE))
import component_tables  # noqa: E402

project = html_title = "sknn_opt"
author = copyright = "The sknn_opt developers"
release = version = sknn_opt.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
default_role = "py:obj"
myst_heading_anchors = 2

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
# Pages without pages below them need no list of these.
html_sidebars = {page: [] for page in ("index", "quick_tour", "textbook", "contributing")}
html_theme_options = {
    "logo": {
        "text": project,
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    # Examples in auto_examples have no sections to list: their code takes the room.
    "secondary_sidebar_items": {"*": ["page-toc"], "generated/*": ["page-toc"]},
}

# The browser finds MathJax beside the pages, where `_copy_mathjax` puts it.
mathjax_path = "mathjax/tex-chtml.js"
# What is copied can be run: without prompts and what they printed.
copybutton_exclude = ".linenos, .gp, .go, .gt"

autosummary_generate = True
autodoc_typehints = "none"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
extlinks = {"arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s")}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "subsection_order": [
        f"../examples/{section}"
        for section in ("tables", "losses", "network", "training", "regularization", "practice")
    ],
    "within_subsection_order": "ExampleTitleSortKey",
    "filename_pattern": "/plot_",
    "ignore_pattern": "quickstart|export_to_onnx|dask_cluster",
    "backreferences_dir": "generated/backreferences",
    "doc_module": "sknn_opt",
    "reference_url": {"sknn_opt": None},
    "thumbnail_size": (480, 320),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
}

rst_epilog = component_tables.substitutions()

intersphinx_timeout = 10
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
}

# References into the package have to resolve; those into other projects need the network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(math|numpy|pickle|scipy|sklearn|threadpoolctl)\b.*"),
    ("py:obj", r"[a-z]\w*|X"),  # a parameter, in its own docstring
    ("py:obj", r"[\[\"].*"),  # a literal, in docstrings that are scikit-learn's
    ("std:ref", "accuracy_score|df_output_transform|.*plot_set_output.py"),
]


def _keep_initials(app, what, name, obj, options, lines):
    """Escape an author's initial where a reference starts, which would be a list's number."""
    start = re.compile(r"^(\s*(?:\.\. \[[^]]+\] )?)(?=[A-Z]\. [A-Z])")
    lines[:] = [start.sub(r"\1\\", line) for line in lines]


def _add_facts(app, what, name, obj, options, lines):
    """Say below a component's summary which name stands for it, and its default rate."""
    if what == "class" and (facts := component_tables.facts(obj)):
        end = lines.index("") if "" in lines else len(lines)
        lines[end:end] = ["", facts]


def _write_component_tables(app):
    """Write the files that pages include, and a page for each component in the reference."""
    _GENERATED.mkdir(exist_ok=True)
    for name, text in component_tables.pages().items():
        file = _GENERATED / f"{name}.inc"
        if not file.exists() or file.read_text("utf-8") != text:  # or else all pages are rebuilt
            file.write_text(text, "utf-8")
        if name.endswith("_reference"):
            generate_autosummary_docs([str(file)], output_dir=str(_GENERATED), app=app)


def _copy_mathjax(app, exception):
    """Copy what a browser needs of MathJax, a tenth of the package that brings it."""
    if exception is None:
        package = Path(find_spec("sphinx-mathjax-offline").origin).parent
        source, target = package / "static" / "mathjax", Path(app.outdir) / "_static" / "mathjax"
        fonts = "output/chtml/fonts/woff-v2"
        shutil.copytree(source / fonts, target / fonts, dirs_exist_ok=True)
        shutil.copy(source / "tex-chtml.js", target)


def setup(app):
    # Before autosummary lists the sources.
    app.connect("builder-inited", _write_component_tables, priority=400)
    app.connect("autodoc-process-docstring", _add_facts, priority=400)  # before numpydoc
    app.connect("autodoc-process-docstring", _keep_initials, priority=900)  # after it
    app.connect("build-finished", _copy_mathjax)


def _without_network(record):
    """Make a missing inventory a message, so that it is no error where warnings are."""
    if record.getMessage().startswith("failed to reach any of the inventories"):
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


logging.getLogger("sphinx.sphinx.ext.intersphinx").addFilter(_without_network)
