"""What the package says of itself in several places is the same in all of them."""

import re
import tomllib
from pathlib import Path

import sknn_opt
from sknn_opt._documentation_link import SITE

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_oldest_versions_that_are_tested_are_those_that_are_supported():
    supported = [f"{d.replace('>=', '==')}.*" for d in PROJECT["dependencies"]]
    tested = re.findall(r"^(?!pytest)\w.*", text(".ci/oldest.txt"), re.MULTILINE)
    assert sorted(tested) == sorted(supported)


def test_python_versions_start_at_the_oldest():
    classifiers = " ".join(PROJECT["classifiers"])
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", classifiers)]
    assert f">=3.{minors[0]}" == PROJECT["requires-python"]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert f"python3.{minors[0]}" in text(".ci/run")
    workflow = text(".github/workflows/ci.yml")
    assert all(f"3.{minor}" in workflow for minor in minors)


def test_the_citation_is_of_this_version():
    citation = text("CITATION.cff")
    assert f"version: {sknn_opt.__version__}\n" in citation
    assert f"license: {PROJECT['license']}\n" in citation
    assert f"url: {PROJECT['urls']['Documentation']}\n" in citation
    assert f"repository-code: {PROJECT['urls']['Source']}\n" in citation
    assert PROJECT["authors"] == [{"name": re.search(r"- name: (.*)", citation)[1]}]


def test_the_site_is_where_the_metadata_says():
    assert PROJECT["urls"]["Documentation"] == SITE
    assert PROJECT["urls"]["Changelog"].startswith(PROJECT["urls"]["Source"])
