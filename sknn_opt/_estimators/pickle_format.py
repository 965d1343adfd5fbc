"""The format of pickles, and what is said of one that this version does not read."""

import sys

FORMAT = 3

#: Modules that pickles of format 1 name and that are no more: their classes have moved.
_FORMER_MODULES = frozenset(
    f"sknn_opt.{name}"
    for name in (
        "_activation",
        "_adam_family",
        "_adaptive",
        "_layout",
        "_levenberg_marquardt",
        "_loss",
        "_margin_losses",
        "_matrix",
        "_regression_losses",
        "_scipy_optimizers",
        "inspection._diagnosis",
        "inspection._gradients",
        "inspection._learning_rate",
        "inspection._outputs",
    )
)


def unreadable(name, written):
    """Return the error for a pickle of ``name`` in another format than this version's."""
    return ValueError(
        f"This pickle of {name} has format {written}; this version of sknn_opt reads format "
        f"{FORMAT}. Load it with the version that wrote it, or fit again."
    )


class VersionedPickle:
    """Estimators whose pickles say which format they have, and are refused in any other."""

    def __getstate__(self):
        return {**super().__getstate__(), "_pickle_format": FORMAT}

    def __setstate__(self, state):
        state = dict(state)
        written = state.pop("_pickle_format", None)
        if written != FORMAT:
            raise unreadable(type(self).__name__, written)
        super().__setstate__(state)


class _FormerModuleFinder:
    """Explains why a pickle cannot be read, where it would fail with ModuleNotFoundError."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in _FORMER_MODULES:
            raise unreadable("sknn_opt", 1)


# The last finder is asked only for modules that none of the others has found.
sys.meta_path.append(_FormerModuleFinder)
