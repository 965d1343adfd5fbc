"""Sums of squares with known minima, in NumPy, for optimizers of the full batch."""

import numpy as np


class Surface:
    """Half a sum of squares, with the methods of `sknn_opt._training.objective.Objective`.

    Parameters
    ----------
    start, minimum : ndarray of shape (n_parameters,)
    residuals, jacobian, hessian : callable
        Map a point to the residuals, their derivatives and the second derivatives of half
        the sum of their squares.
    """

    def __init__(self, start, minimum, residuals, jacobian, hessian):
        self.start = np.array(start, float)
        self.minimum = np.array(minimum, float)
        self.residuals = residuals
        self.jacobian = jacobian
        self.hessian = hessian
        self.products = []  # for each function that was asked for, whether it is exact
        self.memory = {}

    def vector(self):
        return self.start.copy()

    def bounds(self):
        return None

    def loss(self, x):
        return float(0.5 * (self.residuals(x) ** 2).sum())

    def gradient(self, x):
        return self.jacobian(x).T @ self.residuals(x)

    def loss_and_gradient(self, x):
        return self.loss(x), self.gradient(x)

    def hessian_product(self, exact):
        self.products.append(exact)
        return lambda x, vector: (self.hessian(x) if exact else self._normal(x)) @ vector

    def gauss_newton_matrix(self):
        return self._normal

    def _normal(self, x):
        return self.jacobian(x).T @ self.jacobian(x)


def parabola(n_parameters=5):
    """Of curvatures 1 to 10, along directions that are not those of the parameters."""
    random = np.random.default_rng(1)
    minimum, start = random.normal(size=(2, n_parameters))
    directions = np.linalg.qr(random.normal(size=(n_parameters, n_parameters)))[0]
    root = np.sqrt(np.linspace(1, 10, n_parameters))[:, np.newaxis] * directions
    return Surface(
        start, minimum, lambda x: root @ (x - minimum), lambda x: root, lambda x: root.T @ root
    )


def rosenbrock():
    def residuals(x):
        return np.sqrt(2) * np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    def jacobian(x):
        return np.sqrt(2) * np.array([[-20 * x[0], 10], [-1, 0]])

    def hessian(x):
        return np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])

    return Surface([-1.2, 1], [1, 1], residuals, jacobian, hessian)


SURFACES = {"parabola": parabola, "rosenbrock": rosenbrock}
