"""What of an estimator's keywords does not apply where rows are spread over a cluster."""


def check_applicable(estimator, configuration, local_steps):
    """Raise ValueError for keywords that would have no effect, or not the promised one."""
    _check_targets(estimator)
    if configuration.is_first_order:
        _check_local_training(estimator, configuration)
    elif local_steps is not None:
        raise ValueError(
            f"local_steps={local_steps} does not apply to full-batch optimizers, which take every "
            "step together. Set local_steps to None, or choose a first-order optimizer such as "
            "'adam'."
        )


def _check_targets(estimator):
    if getattr(estimator, "scale_targets", False):
        raise ValueError(
            "scale_targets=True does not apply to Dask collections. Scale y before fit, such "
            "as y = (y - y.mean()) / y.std(), and scale the predictions back."
        )
    if getattr(estimator, "missing_targets", "error") != "error":
        raise ValueError(
            "missing_targets='ignore' does not apply to Dask collections. Leave out the rows in "
            "which targets are missing, or fit a network for each output on those that have it."
        )


def _check_local_training(estimator, configuration):
    optimizer = configuration.optimizer
    name = type(optimizer).__name__
    if configuration.architecture.uses_batch_statistics:
        raise ValueError(
            "normalization='batch' does not apply to Dask collections: each partition would have "
            "statistics of its own. Choose normalization='layer'."
        )
    if optimizer.needs_all_samples:
        raise ValueError(
            f"{name} needs the gradient of all samples at each step, which no partition has. "
            "Choose optimizer='lbfgs', or 'adam', which takes mini-batches."
        )
    if optimizer.averages_iterates or not optimizer.mean_of_states_is_state:
        raise ValueError(
            f"{name} does not apply to Dask collections: its state is more than means of "
            "gradients, so the partitions' states cannot be averaged. Choose another optimizer "
            "such as 'adamw' or 'muon'."
        )
    if estimator.averaging is not None:
        raise ValueError(
            f"averaging={estimator.averaging!r} does not apply to Dask collections, where the "
            "networks of all partitions are averaged already. Set averaging to None."
        )
    if estimator.alpha and estimator.l1_ratio:
        raise ValueError(
            f"l1_ratio={estimator.l1_ratio} does not apply to mini-batches of Dask collections: a "
            "mean of weights over partitions is hardly ever 0. Choose optimizer='lbfgs', or set "
            "l1_ratio to 0."
        )
