"""What every activation is made of: the prototypes of its kernels and the base `Activation`."""

from ._compiler.declarations import Call, with_functions
from ._components import Component

FORWARD = "void (real *z, real *a, int64 rows, int64 units, double *parameters)"
BACKWARD = "void (real *z, real *a, real *delta, int64 rows, int64 units, double *parameters)"

call_forward = Call(FORWARD)
call_backward = Call(BACKWARD)


class Activation(Component):
    """Base of the activation functions :math:`a = f(z)`.

    Kernels work on blocks of ``rows * units`` contiguous elements. ``_forward`` writes
    ``a``; ``_backward`` multiplies ``delta``, the derivative of the loss by ``a``, with
    :math:`f'(z)`. Both are None for the identity. ``_curvature`` multiplies ``delta`` with
    :math:`f''(z)`; it is None where f is linear, or not twice differentiable.
    """

    #: Whether ``a`` overwrites ``z``: then both kernels read and write ``a`` alone.
    _in_place = True
    _forward = None
    _backward = None
    _curvature = None

    #: The bound of the "auto" initializer is sqrt(_auto_factor / (fan_in + fan_out)).
    _auto_factor = 6.0

    #: The slope at z < 0 that the He initializers allow for.
    _negative_slope = 0.0

    @property
    def _twice_differentiable(self):
        """Whether second derivatives exist everywhere and are known."""
        linear = self._forward is None
        return linear or self._curvature is not None

    @staticmethod
    def from_functions(f, df):
        """Make an activation from plain Python functions of one number.

        numba compiles them when a network first uses them, once a process and floating
        type: they may use arithmetic, branches, `math` and NumPy's functions of scalars, and
        must not raise. Where they are importable, the activation can be pickled.

        Parameters
        ----------
        f : function
            Maps z to the activation.
        df : function
            Maps z to the derivative of ``f``.

        Returns
        -------
        activation : Activation

        Examples
        --------
        >>> import math
        >>> from sknn_opt.activations import Activation
        >>> def gaussian(z):
        ...     return math.exp(-z * z)
        >>> def gaussian_derivative(z):
        ...     return -2 * z * math.exp(-z * z)
        >>> activation = Activation.from_functions(gaussian, gaussian_derivative)
        """
        return FromFunctions(f, df)


_f = None  # in the kernels below: the user's function


def _user_forward(z, a, rows, units, parameters):
    for i in range(rows * units):
        a[i] = _f(z[i])


def _user_backward(z, a, delta, rows, units, parameters):
    for i in range(rows * units):
        delta[i] *= _f(z[i])


class FromFunctions(Activation):
    """A user's own activation; see `Activation.from_functions`."""

    _in_place = False
    _parameter_constraints = {"f": [callable], "df": [callable]}

    def __init__(self, f, df):
        self.f = f
        self.df = df

    @property
    def _forward(self):
        return with_functions(_user_forward, FORWARD, 1, _f=self.f)

    @property
    def _backward(self):
        return with_functions(_user_backward, BACKWARD, 1, _f=self.df)
