"""How a fit goes on where an earlier run of the same fit was ended."""

from .fingerprint import fingerprint


class Resumption:
    """What the callbacks that keep a fit's state have of this fit, and what they are given.

    Such a callback has a method ``saved_state``, which maps the name of a fit to the state
    that it has kept of it or to None, as `sknn_opt.callbacks.Checkpoint` does. It finds the
    state to keep in the fitted estimator that it sees, as ``_training_state``.

    Where there is a state, the random state is set back to where the killed fit began, so that
    everything is made and drawn as it was then; `restore` does the rest.

    Parameters
    ----------
    fit : Fit
    random_state : RandomState
        From which nothing has been drawn yet.
    context : CallbackContext or None
        Without one, callbacks have no part in the fit.
    """

    def __init__(self, fit, random_state, context):
        callbacks = () if context is None else getattr(fit.estimator, "_skl_callbacks", ())
        keepers = [callback for callback in callbacks if hasattr(callback, "saved_state")]
        self._is_used = bool(keepers)
        self._saved = None
        if not keepers:
            return
        self._name, self._random_state = _name(fit), random_state
        states = (keeper.saved_state(self._name) for keeper in keepers)
        self._saved = next((state for state in states if state is not None), None)
        if self._saved is not None:
            random_state.set_state(self._saved["first_random_state"])
        self._first_random_state = random_state.get_state(legacy=False)

    @property
    def is_complete(self):
        """Whether that run had come to its end."""
        return self._saved is not None and self._saved["is_complete"]

    def restore(self, trainer):
        """Let a trainer that is ready to start be where the earlier run was, if there is one."""
        if self._saved is not None:
            trainer.restore(self._saved["trainer"])
            trainer.progress.restore(self._saved["progress"])
            self._random_state.set_state(self._saved["random_state"])

    def attributes(self, trainer, is_complete):
        """Return the state as an attribute of the fitted estimator, if a callback wants it.

        It holds the arrays of the trainer themselves, so it has to be stored at once.
        """
        if not self._is_used:
            return {}
        state = {
            "name": self._name,
            "is_complete": is_complete,
            "first_random_state": self._first_random_state,
            "random_state": self._random_state.get_state(legacy=False),
            "trainer": trainer.to_dict(),
            "progress": trainer.progress.to_dict(),
        }
        return {"_training_state": state}


def _name(fit):
    """Return the hash by which a fit is told from others."""
    held_out, estimator = fit.held_out, fit.estimator
    validation = None
    if held_out is not None:
        validation = held_out.X, held_out.targets, held_out.sample_weight
    history = getattr(estimator, "history_", {}) if fit.continues else {}
    return fingerprint(
        estimator,
        fit.targets.fitted_attributes(),
        fit.data_identity(),
        validation,
        fit.fitted,
        {name: column for name, column in history.items() if name != "time"},
    )
