"""What the site says of all components of a kind, written from the registries.

`pages` returns the text of tables and lists that pages include, `substitutions` numbers and
lists of names within their sentences, and `facts` what the page of each class adds to its
docstring. A component that joins a registry appears in all of them.
"""

import inspect
import re
from textwrap import indent

from sknn_opt.activations import ACTIVATIONS
from sknn_opt.averaging import AVERAGINGS
from sknn_opt.initializers import INITIALIZERS
from sknn_opt.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES
from sknn_opt.normalizations import NORMALIZATIONS
from sknn_opt.optimizers import OPTIMIZERS, FirstOrder
from sknn_opt.schedules import SCHEDULES

# The estimators' keyword, the module of the classes and the registry of each kind.
_KINDS = {
    "optimizers": ("optimizer", "optimizers", OPTIMIZERS),
    "schedules": ("learning_rate", "schedules", SCHEDULES),
    "activations": ("activation", "activations", ACTIVATIONS),
    "initializers": ("initializer", "initializers", INITIALIZERS),
    "classifier_losses": ("loss", "losses", CLASSIFIER_LOSSES),
    "regressor_losses": ("loss", "losses", REGRESSOR_LOSSES),
    "averagings": ("averaging", "averaging", AVERAGINGS),
    "normalizations": ("normalization", "normalizations", NORMALIZATIONS),
}


# Headings over the classes in the list of pages beside the reference.
_CAPTIONS = {
    "first_order_optimizers": "First-order optimizers",
    "full_batch_optimizers": "Full-batch optimizers",
    "schedules": "Learning rate schedules",
    "activations": "Activations",
    "initializers": "Initializers",
    "classifier_losses": "Losses of classification",
    "regressor_losses": "Losses of regression",
    "averagings": "Averages of the parameters",
    "normalizations": "Normalizations",
}


def pages():
    """Return the text of each file that pages include, by its name."""
    texts = {}
    for kind, (_, module, registry) in _KINDS.items():
        groups = {kind: dict(registry)}
        if kind == "optimizers":
            groups = {
                "first_order_optimizers": _select(registry, _is_first_order),
                "full_batch_optimizers": _select(registry, lambda cls: not _is_first_order(cls)),
            }
        for group, classes in groups.items():
            texts[f"{group}_table"] = _table(module, registry, classes)
            texts[f"{group}_formulas"] = _formulas(module, classes)
            texts[f"{group}_reference"] = _reference(module, classes, _CAPTIONS[group])
    texts["keywords"] = _keywords()
    return texts


def substitutions():
    """Return definitions of substitutions: numbers and lists of names."""
    losses = {**CLASSIFIER_LOSSES, **REGRESSOR_LOSSES}
    values = {
        **{f"n_{kind}": str(len(registry)) for kind, (_, _, registry) in _KINDS.items()},
        "smooth_activations": _names(_select(ACTIVATIONS, lambda c: c().is_twice_differentiable)),
        "other_activations": _names(
            _select(ACTIVATIONS, lambda c: not c().is_twice_differentiable)
        ),
        "smooth_losses": _names(_select(losses, lambda c: c.is_twice_differentiable)),
        "curved_losses": _names(
            _select(losses, lambda c: not c.is_twice_differentiable and _has_curvature(c))
        ),
        "flat_losses": _names(_select(losses, lambda c: not _has_curvature(c))),
        "weight_decay": ", ".join(
            f"``{cls.__name__}``"
            for cls in OPTIMIZERS.values()
            if "weight_decay" in inspect.signature(cls).parameters
        ),
    }
    return "\n".join(f".. |{name}| replace:: {text}" for name, text in values.items())


def facts(cls):
    """Return a paragraph for the page of a class: its names, its default rate, its keywords.

    Empty for classes that no name stands for.
    """
    sentences, keywords = [], {}
    for keyword, _, registry in _KINDS.values():
        for name, named in registry.items():
            if named is cls:
                names = [name, *_aliases(registry, name)]
                keywords[f"``{keyword}={names[0]!r}``"] = names[1:]
    for keyword, aliases in keywords.items():
        others = f" (also {', '.join(f'``{alias!r}``' for alias in aliases)})" if aliases else ""
        sentences.append(f"By name: {keyword}{others}.")
    if sentences and _is_first_order(cls):
        sentences.append(f"Default learning rate: {_rate(cls)}.")
    if sentences and cls._estimator_keywords:
        reached = ", ".join(f"``{keyword}``" for keyword in cls._estimator_keywords)
        sentences.append(f"Keywords of the estimators that reach it by name: {reached}.")
    return " ".join(dict.fromkeys(sentences))


def _is_first_order(cls):
    return issubclass(cls, FirstOrder)


def _has_curvature(loss):
    return any(rule.kernels(()).hessian_product for rule in loss()._forms.values())


def _select(registry, condition):
    return {name: cls for name, cls in registry.items() if condition(cls)}


def _names(classes):
    return ", ".join(classes)


def _aliases(registry, name):
    return [alias for alias, meant in registry.aliases.items() if meant == name]


def _rate(cls):
    return f"{cls.default_learning_rate:g}"


def _link(module, cls, text=None):
    path = f"sknn_opt.{module}.{cls.__name__}"
    return f"`{text} <{path}>`" if text else f"`~{path}`"


def _paragraphs(cls):
    """The paragraphs of a docstring before its first section."""
    text = re.split(r"^\w[\w ]*\n-{3,}$", inspect.getdoc(cls), flags=re.M)[0]
    return text.strip().split("\n\n")


def _summary(cls):
    return " ".join(_paragraphs(cls)[0].split())


def _table(module, registry, classes):
    """Name, one line and, for optimizers with a learning rate, its default."""
    has_rates = all(map(_is_first_order, classes.values()))
    rows = [["Name", "What it is", *(["Rate"] if has_rates else [])]]
    for name, cls in classes.items():
        aliases = "".join(f", {alias}" for alias in _aliases(registry, name))
        rate = [_rate(cls)] if has_rates else []
        rows.append([f"{_link(module, cls, name)}{aliases}", _summary(cls), *rate])
    lines = [".. list-table::", "   :header-rows: 1"]
    lines.append(f"   :widths: {'24 64 12' if has_rates else '30 70'}\n")
    for row in rows:
        lines.append(f"   * - {row[0]}")
        lines += [f"     - {cell}" for cell in row[1:]]
    return "\n".join(lines)


def _formulas(module, classes):
    """A definition list: a link to each class, with what stands before its parameters."""
    entries = []
    for name, cls in classes.items():
        text = "\n\n".join(_paragraphs(cls))
        text = re.sub(r"(?<![:`\w])`(\w+)`(?!`|\w)", rf"`~sknn_opt.{module}.\1`", text)
        entries.append(f"{_link(module, cls, name)}\n{indent(text, '   ')}")
    return "\n\n".join(entries)


def _reference(module, classes, caption):
    """The entries of the API reference, each with a page of its own."""
    options = ["toctree: generated", f"caption: {caption}", "nosignatures:", "template: component"]
    head = "\n".join([".. autosummary::", *(f"   :{option}" for option in options), ""])
    names = dict.fromkeys(f"   {module}.{cls.__name__}" for cls in classes.values())
    return "\n".join([".. currentmodule:: sknn_opt\n", head, *names])


def _keywords():
    """Which of the estimators' keywords reach which components chosen by name."""
    reached = {}
    for _, _, registry in _KINDS.values():
        for name, cls in registry.items():
            for keyword in cls._estimator_keywords:
                reached.setdefault(keyword, []).append(name)
    together = {}
    for keyword, names in reached.items():
        together.setdefault(tuple(names), []).append(keyword)
    lines = []
    for names, keywords in together.items():
        quoted = ", ".join(f'"{name}"' for name in names)
        lines.append(f"- {', '.join(f'``{keyword}``' for keyword in keywords)}: {quoted}")
    return "\n".join(lines)
