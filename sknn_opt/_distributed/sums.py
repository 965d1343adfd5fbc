"""The sums of full-batch training, each a round over the blocks."""

from . import tasks


class DistributedSums:
    """Adds up loss, gradient and second derivatives at ``theta`` over the blocks of a cluster.

    Parameters
    ----------
    rounds : Rounds
    problem : Problem
        Of all rows, which it does not hold.
    theta : ndarray of shape (n_values,)
        May be changed in place between calls.
    n_jobs : None or int
        Each task has its own share of it already.
    between : callable
        Called while a round lasts; may raise to give it up.
    """

    def __init__(self, rounds, problem, theta, n_jobs, between):
        self._rounds, self.theta, self._between = rounds, theta, between

    def _sum(self, task, *arguments):
        return self._rounds.sum(task, self.theta.copy(), *arguments, between=self._between)

    def loss_and_gradient(self, scale):
        """Return the sum of the loss over all rows, without penalty, and its gradient."""
        return self._sum(tasks.loss_and_gradient, scale)

    def hessian_product(self, vector, exact, scale):
        """Return the product of ``vector`` with the Hessian or its Gauss-Newton matrix."""
        (total,) = self._sum(tasks.hessian_product, scale, vector.copy(), exact)
        return total

    def gauss_newton_matrix(self, scale):
        """Return the Gauss-Newton matrix of squared error."""
        (total,) = self._sum(tasks.gauss_newton_matrix, scale)
        return total

    def close(self):
        """Nothing is held between two rounds."""
