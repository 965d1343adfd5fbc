"""The estimators' docstrings are complete and true; code in docstrings and docs/ runs."""

import ast
import doctest
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import extras
import numpy as np
import pytest
from sklearn.datasets import load_iris

import sknn_opt
from sknn_opt import (
    MLPClassifier,
    MLPEnsembleClassifier,
    MLPEnsembleRegressor,
    MLPRegressor,
)
from sknn_opt.activations import ACTIVATIONS
from sknn_opt.averaging import AVERAGINGS
from sknn_opt.compile import WITH_EXTRAS
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder
from sknn_opt.schedules import SCHEDULES

pytestmark = pytest.mark.usefixtures("one_blas_thread")

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.rst"))
MODULES = [
    module.name
    for module in pkgutil.walk_packages(sknn_opt.__path__, "sknn_opt.")
    if not module.name.startswith(WITH_EXTRAS)
]

X, Y = load_iris(as_frame=True, return_X_y=True)

NETWORKS = [MLPClassifier, MLPRegressor]
COMMITTEES = [MLPEnsembleClassifier, MLPEnsembleRegressor]

both = pytest.mark.parametrize("estimator", NETWORKS)
every = pytest.mark.parametrize("estimator", NETWORKS + COMMITTEES)


def _sections(estimator):
    """Text of each section of a class's docstring, by its heading."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(estimator.__doc__), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _entries(estimator, section):
    """Type and text of each entry of a section, by its name."""
    parts = re.split(r"^(\w+) : (.*)\n", _sections(estimator)[section], flags=re.M)
    return {
        name: (kind, text)
        for name, kind, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


@every
def test_parameters_are_those_of_the_constructor(estimator):
    documented = _entries(estimator, "Parameters")
    defaults = {
        name: ast.literal_eval(re.search(r"default=(.*)", kind)[1])
        for name, (kind, _) in documented.items()
    }
    signature = inspect.signature(estimator).parameters
    assert list(defaults) == list(signature)
    assert defaults == {name: parameter.default for name, parameter in signature.items()}


@every
def test_parameters_are_explained(estimator):
    for name, (_, text) in _entries(estimator, "Parameters").items():
        assert len(text.split()) > 5, name


@both
@pytest.mark.parametrize(
    "name",
    ["activation", "initializer", "loss", "normalization", "optimizer", "learning_rate"],
)
def test_names_are_those_of_the_registry(estimator, name):
    losses = CLASSIFIER_LOSSES if estimator is MLPClassifier else REGRESSOR_LOSSES
    registry = {
        "activation": ACTIVATIONS,
        "loss": losses,
        "initializer": INITIALIZERS,
        "normalization": NORMALIZATIONS,
        "optimizer": OPTIMIZERS,
        "learning_rate": SCHEDULES,
    }[name]
    _, text = _entries(estimator, "Parameters")[name]
    assert set(re.findall(r"'([\w-]+)'", text)) == registry.names


# For each parameter another value, and what has to be set for it to show.
_CHANGES = {
    "hidden_layer_sizes": ((4,), {}),
    "activation": ("tanh", {}),
    "initializer": ("he_normal", {}),
    "trainable": ([True, False], {}),
    "dropout": (0.5, {}),
    "input_dropout": (0.5, {}),
    "input_noise": (0.5, {}),
    "mixup": (0.5, {}),
    "max_norm": (0.1, {}),
    "normalization": ("layer", {}),
    "residual": (True, {"hidden_layer_sizes": (5, 5)}),
    "clip_norm": (1e-3, {"batch_size": 30, "max_iter": 20}),
    "clip_value": (1e-3, {"batch_size": 30, "max_iter": 20}),
    "warmup": (3, {}),
    "warmup_shape": ("cosine", {"warmup": 3}),
    "label_smoothing": (0.3, {}),
    "scoring": ("loss", {"early_stopping": True}),
    "averaging": ("ema", {}),
    "alpha": (10.0, {}),
    "l1_ratio": (1.0, {"alpha": 1.0}),
    "batch_size": (30, {}),
    "learning_rate": ("invscaling", {}),
    "learning_rate_init": (0.1, {}),
    "power_t": (0.1, {"learning_rate": "invscaling"}),
    "max_iter": (3, {}),
    "shuffle": (False, {"batch_size": 30}),
    "random_state": (1, {}),
    "tol": (10.0, {"n_iter_no_change": 1}),
    "momentum": (0.5, {}),
    "nesterovs_momentum": (False, {}),
    "early_stopping": (True, {}),
    "validation_fraction": (0.4, {"early_stopping": True}),
    "beta_1": (0.5, {}),
    "beta_2": (0.5, {"max_iter": 10}),
    "epsilon": (0.1, {"max_iter": 10}),
    "n_iter_no_change": (1, {"tol": 0.5}),
    "max_fun": (2, {}),
    "max_time": (1e-9, {}),
    "class_weight": ({0: 5.0}, {}),
    "dtype": ("float32", {}),
}
_WITHOUT_EFFECT_ON_ONE_FIT = {
    *("loss", "n_jobs", "optimizer", "solver", "targets", "verbose", "warm_start")
}


def test_each_parameter_is_tried():
    parameters = set(inspect.signature(MLPClassifier).parameters)
    assert set(_CHANGES) == parameters - _WITHOUT_EFFECT_ON_ONE_FIT


_REGRESSION_ONLY = {"lm"}
_TRIED = [
    (name, optimizer)
    for name in _CHANGES
    for optimizer in OPTIMIZERS
    if optimizer not in _REGRESSION_ONLY or name in inspect.signature(MLPRegressor).parameters
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "optimizer"), _TRIED)
def test_parameters_matter_for_the_optimizers_that_are_named(name, optimizer):
    value, others = _CHANGES[name]
    settings = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0, **others}
    matters = _changes_the_fit(optimizer, settings, {name: value})
    for estimator in (MLPClassifier, MLPRegressor):
        if name in inspect.signature(estimator).parameters:
            _, text = _entries(estimator, "Parameters")[name]
            assert matters == (optimizer in _named_optimizers(text))


def _changes_the_fit(optimizer, settings, change):
    """Whether parameters, losses or scores differ; what is refused with advice has no effect."""
    estimator = MLPRegressor if optimizer in _REGRESSION_ONLY else MLPClassifier
    if name_refused := set(change) & _REFUSED_BY.get(optimizer, set()) or (
        set(settings) & _REFUSED_BY.get(optimizer, set())
    ):
        with pytest.raises(ValueError, match=name_refused.pop()):
            estimator(optimizer=optimizer, **{**settings, **change}).fit(X, Y)
        return False
    before, after = (
        estimator(optimizer=optimizer, **{**settings, **more}).fit(X, Y) for more in ({}, change)
    )
    same = all(
        a.dtype == b.dtype and np.array_equal(a, b)
        for a, b in zip(before.coefs_, after.coefs_, strict=True)
    )
    return (
        not same
        or before.loss_curve_ != after.loss_curve_
        or before.validation_scores_ != after.validation_scores_
    )


_FIRST_ORDER = {name for name, cls in OPTIMIZERS.items() if issubclass(cls, FirstOrder)}
_FULL_BATCH = set(OPTIMIZERS) - _FIRST_ORDER
_REFUSED_BY = {
    name: {
        "dropout",
        "input_dropout",
        "input_noise",
        "mixup",
        "max_norm",
        "clip_norm",
        "clip_value",
        "warmup",
        "l1_ratio",
        "averaging",
    }
    for name in _FULL_BATCH
} | {"rprop": {"batch_size"}, "schedule_free": {"averaging"}}
_REFUSED_BY["lbfgs"] -= {"l1_ratio"}


def _named_optimizers(text):
    """The optimizers that an entry says it is for."""
    named = re.search(r"Optimizers:\s+([a-z_, \n-]+)[.;]", text)[1]
    kind, _, excepted = " ".join(named.split()).partition(" except ")
    groups = {"all": set(OPTIMIZERS), "first-order": _FIRST_ORDER, "full-batch": _FULL_BATCH}
    return set().union(*(groups.get(name, {name}) for name in kind.split(", "))) - {excepted}


@both
@pytest.mark.parametrize("early_stopping", [False, True])
def test_attributes_are_those_that_fit_leaves(estimator, early_stopping):
    model = estimator((3,), optimizer="lbfgs", tol=10.0, early_stopping=early_stopping).fit(X, Y)
    left = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    documented = _entries(estimator, "Attributes")
    assert left == set(documented)
    named = set(re.findall(r'"(\w+)"', documented["history_"][1]))
    if not early_stopping:
        named -= {"validation_loss", "validation_score"}
    assert set(model.history_) == named


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("committee", COMMITTEES)
def test_attributes_of_committees_are_those_that_fit_leaves(committee, cv):
    network = (MLPRegressor if committee is MLPEnsembleRegressor else MLPClassifier)((), tol=10.0)
    model = committee(network, n_estimators=1, cv=cv).fit(X, Y)
    left = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    documented = _entries(committee, "Attributes")
    with_cv = {name for name, (_, text) in documented.items() if "Only with `cv`" in text}
    assert left == (set(documented) - with_cv if cv is None else set(documented))


# scikit-learn's, and ours: what the interface promises for every optimizer.
_PROMISED = {
    "best_loss_",
    "best_validation_score_",
    "coefs_",
    "feature_names_in_",
    "history_",
    "intercepts_",
    "loss_",
    "loss_curve_",
    "n_features_in_",
    "n_iter_",
    "n_layers_",
    "n_parameters_",
    "best_iter_",
    "n_outputs_",
    "out_activation_",
    "t_",
    "validation_scores_",
}
_OF_NORMALIZATION = {
    "normalization_scales_",
    "normalization_shifts_",
    "running_means_",
    "running_variances_",
}


@both
def test_promised_attributes_are_documented(estimator):
    own = {"target_mean_", "target_scale_"}
    if estimator is MLPClassifier:
        own = {"classes_", "targets_"}
    assert set(_entries(estimator, "Attributes")) == _PROMISED | _OF_NORMALIZATION | own


@both
def test_docstring_has_all_sections(estimator):
    assert list(_sections(estimator)) == [
        "Parameters",
        "Attributes",
        "Raises",
        "See Also",
        "Notes",
        "References",
        "Examples",
    ]


def _run_doctests(test):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report = []
    runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder().find(module, name):
        _run_doctests(test)


@every
def test_estimators_have_examples(estimator):
    assert doctest.DocTestFinder().find(estimator)[0].examples


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.stem not in extras.PAGES], ids=lambda page: page.stem
)
def test_examples_in_the_user_guide(page):
    text = page.read_text(encoding="utf-8")
    _run_doctests(doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0))


def test_the_user_guide_has_no_code_that_is_not_run():
    for page in PAGES:
        languages = re.findall(r"code-block:: (\w+)|^(.*)::$", page.read_text("utf-8"), re.M)
        assert {language for language, _ in languages} <= {"console", "docker", ""}, page.name


def test_each_page_is_in_one_table_of_contents():
    trees = "".join(
        tree
        for page in PAGES
        for tree in re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)*)", page.read_text("utf-8"), re.M)
    )
    listed = re.findall(r"^   (?:.*<)?(\w+)>?$", trees, re.M)
    pages = {page.stem for page in [*PAGES, *DOCS.glob("*.md")]} - {"index"}
    assert sorted(listed) == sorted(pages)


def _component_tables():
    spec = importlib.util.spec_from_file_location("component_tables", DOCS / "component_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = _component_tables()
REGISTRIES = {
    "activations": [ACTIVATIONS],
    "averaging": [AVERAGINGS],
    "initializers": [INITIALIZERS],
    "losses": [CLASSIFIER_LOSSES, REGRESSOR_LOSSES],
    "normalizations": [NORMALIZATIONS],
    "optimizers": [OPTIMIZERS],
    "schedules": [SCHEDULES],
}
COMPONENTS = [
    pytest.param(module, name, cls, id=f"{module}.{name}")
    for module, registries in REGISTRIES.items()
    for registry in registries
    for name, cls in registry.items()
]


@pytest.mark.parametrize(("module", "name", "cls"), COMPONENTS)
def test_each_component_has_a_formula_and_examples_and_is_in_the_reference(module, name, cls):
    assert ".. math::" in cls.__doc__.split("Examples\n")[0]
    assert doctest.DocTestFinder(recurse=False).find(cls)[0].examples
    assert getattr(importlib.import_module(f"sknn_opt.{module}"), cls.__name__) is cls
    references = [text for page, text in TABLES.pages().items() if page.endswith("_reference")]
    assert any(f"   {module}.{cls.__name__}" in text.splitlines() for text in references)


@pytest.mark.parametrize(("module", "name", "cls"), COMPONENTS)
def test_the_page_of_each_component_says_what_it_is_called(module, name, cls):
    facts = TABLES.facts(cls)
    assert f"={name!r}``" in facts
    rate = re.search(r"Default learning rate: (\S+)\.( |$)", facts)
    expected = getattr(cls, "default_learning_rate", None)
    assert (rate and float(rate[1])) == expected
    assert all(f"``{keyword}``" in facts for keyword in cls._estimator_keywords)


def test_each_generated_table_is_on_a_page():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    included = set(re.findall(r"^\.\. include:: generated/(\w+)\.inc$", text, re.M))
    assert included <= set(TABLES.pages())
    references = {page for page in TABLES.pages() if page.endswith("_reference")}
    assert references | {"keywords", "first_order_optimizers_table"} <= included
    defined = set(re.findall(r"^\.\. \|(\w+)\|", TABLES.substitutions(), re.M))
    assert set(re.findall(r"(?<![\w|])\|(\w\w+)\|", text)) <= defined


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_page_has_a_typed_table_of_all_names(page):
    first_cells = re.findall(r"^   \* - (.*)$", page.read_text("utf-8"), re.M)
    typed = set(re.findall(r"[\w-]+", " ".join(first_cells)))
    for registries in REGISTRIES.values():
        for registry in registries:
            assert not set(registry) <= typed


def test_the_counts_of_the_readme_are_those_of_the_registries():
    rows = dict(
        re.findall(
            r"^\| ([\w ]+) \|[^|]*\| (.*) \|$", (DOCS.parent / "README.md").read_text("utf-8"), re.M
        )
    )
    assert rows["activations"].startswith(f"{len(ACTIVATIONS)},")
    assert rows["initializers"].startswith(f"{len(INITIALIZERS)}:")
    assert rows["learning rates"].startswith(f"{len(SCHEDULES)} schedules")
    assert rows["optimizers"].startswith(f"these and {len(OPTIMIZERS) - 3} more")


EXAMPLES = sorted((DOCS.parent / "examples").glob("*/plot_*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_the_title_of_each_example_starts_with_its_term(example):
    title, line = ast.get_docstring(ast.parse(example.read_text("utf-8"))).splitlines()[:2]
    assert re.fullmatch(r"[A-Z][^:?]+: .+", title)
    assert line == "=" * len(title)


def test_each_example_is_in_a_section_of_the_gallery():
    gallery = DOCS.parent / "examples"
    sections = {header.parent.name for header in gallery.glob("*/GALLERY_HEADER.rst")}
    assert {example.parent.name for example in EXAMPLES} == sections
    assert not list(gallery.glob("plot_*.py"))
    order = re.search(r"for section in \((.*)\)", (DOCS / "conf.py").read_text("utf-8"))[1]
    assert set(re.findall(r'"(\w+)"', order)) == sections
