"""What is left on an estimator when something raises."""

from contextlib import contextmanager


@contextmanager
def unchanged_on_error(estimator):
    """Leave the estimator as it was before if an exception ends this context."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        for name in vars(estimator).keys() - before.keys():
            delattr(estimator, name)
        vars(estimator).update(before)
        raise
