import re
from importlib import import_module
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import sknn_opt
from sknn_opt._documentation_link import SITE

API = (Path(__file__).parents[1] / "docs" / "api.rst").read_text("utf-8")


def listed():
    """The classes that the reference has a page for, by the name of this page."""
    for line in re.findall(r"^   ([\w.]+)$", API, re.M):
        if line.startswith("dask."):  # tested where dask is installed
            continue
        module, _, name = f"sknn_opt.{line}".rpartition(".")
        thing = getattr(import_module(module), name, None)
        if isinstance(thing, type) and issubclass(thing, BaseEstimator):
            yield pytest.param(thing, f"{module}.{name}", id=line)


@pytest.mark.parametrize(("cls", "page"), list(listed()))
def test_each_class_links_to_its_page(cls, page):
    assert cls._get_doc_link(object.__new__(cls)) == f"{SITE}/generated/{page}.html"


def test_components_link_to_their_page():
    link = sknn_opt.optimizers.Adam()._get_doc_link()
    assert link == f"{SITE}/generated/sknn_opt.optimizers.Adam.html"


def test_the_diagram_of_a_notebook_has_the_link():
    assert f'href="{SITE}/generated/sknn_opt.MLPClassifier.html' in (
        sknn_opt.MLPClassifier()._repr_html_()
    )


def test_what_has_no_page_links_to_the_reference():
    class Private(sknn_opt.MLPRegressor):
        __module__ = sknn_opt.MLPRegressor.__module__

    assert Private()._get_doc_link() == f"{SITE}/api.html"


def test_classes_of_users_have_no_link():
    class Mine(sknn_opt.MLPRegressor):
        pass

    assert Mine()._get_doc_link() == ""
