"""How the fit of a committee reports to scikit-learn's callbacks: as one task for each network."""

from contextlib import contextmanager


class Reports:
    """Runs the hooks of a committee's callbacks, and passes callbacks on to its networks.

    As in scikit-learn's searches, what a callback returns at the end of a network does not stop
    the others: a committee needs all of them.

    Parameters
    ----------
    committee : BaseCommittee
    context : CallbackContext or None
        Of the whole fit; None where scikit-learn has no callbacks.
    data : Data
    """

    def __init__(self, committee, context, data):
        self._committee = committee
        self._root = context
        self._data = data

    def _arguments(self, rows):
        """Return what hooks may ask for, which is computed for those that do."""
        weights = self._data.weights(rows)
        return {
            "estimator": self._committee,
            "X": lambda: self._data.features(rows),
            "y": lambda: self._data.y[rows],
            "metadata": None if weights is None else {"sample_weight": weights},
        }

    def begin_fit(self, n_networks):
        if self._root is not None:
            self._root.max_subtasks = n_networks
            self._root.call_on_fit_task_begin(**self._arguments(slice(None)))

    def end_fit(self, attributes):
        """End the fit, which has led to these fitted attributes."""
        if self._root is not None:
            self._root.call_on_fit_task_end(
                **self._arguments(slice(None)), reconstruction_attributes=attributes
            )

    @contextmanager
    def of_network(self, number, name, network, rows):
        """Report what is done in this context: the training of a network on some rows."""
        if self._root is None:
            yield
            return
        task = self._root.subcontext(name, number)
        arguments = self._arguments(rows)
        with task.propagate_callback_context(network):
            task.call_on_fit_task_begin(**arguments)
            yield
        task.call_on_fit_task_end(**arguments)
