"""Initial weights and intercepts.

`INITIALIZERS`, at the foot, maps names to classes. All except "auto" set the intercepts to 0.
Only the He initializers depend on the activation, by the slope of `LeakyReLU`. Normal
distributions are not truncated.
"""

import math
from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._components import Component, Registry

_POSITIVE = [Interval(Real, 0, None, closed="neither")]


class Initializer(Component):
    """Base of the initializers: the intercepts are 0, the weights those of ``_coefs``."""

    def draw_layer(self, layer, fan_in, fan_out, activation, random_state):
        """Draw the layer of this index; `draw` serves where all layers are drawn alike."""
        return self.draw(fan_in, fan_out, activation, random_state)

    def draw(self, fan_in, fan_out, activation, random_state):
        """Draw one layer.

        Parameters
        ----------
        fan_in, fan_out : int
            Sizes of the layer's input and output.
        activation : Activation
            What follows the layer; for the output layer, what precedes it.
        random_state : RandomState
            Source of the draws, in float64 whatever the network's type.

        Returns
        -------
        coefs : ndarray of shape (fan_in, fan_out)
        intercepts : ndarray of shape (fan_out,)
        """
        return self._coefs(fan_in, fan_out, activation, random_state), np.zeros(fan_out)

    def _coefs(self, fan_in, fan_out, activation, random_state):
        raise NotImplementedError


class Auto(Initializer):
    r"""scikit-learn's rule, the default: as Glorot's uniform one, but for intercepts too.

    .. math:: w, b \sim U\left(\pm\sqrt{c / (n_{in} + n_{out})}\right)

    with :math:`c = 2` for the logistic activation and 6 for the others.

    References
    ----------
    X. Glorot, Y. Bengio. "Understanding the difficulty of training deep feedforward neural
    networks". AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import Auto
    >>> coefs, intercepts = Auto().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(np.abs(coefs).max().round(3), np.abs(intercepts).max() > 0)
    0.141 True
    """

    def draw(self, fan_in, fan_out, activation, random_state):
        bound = math.sqrt(activation._auto_factor / (fan_in + fan_out))
        coefs = random_state.uniform(-bound, bound, (fan_in, fan_out))
        return coefs, random_state.uniform(-bound, bound, fan_out)


class _ScaledUniform(Initializer):
    def _coefs(self, fan_in, fan_out, activation, random_state):
        bound = math.sqrt(3.0 * self._variance(fan_in, fan_out, activation))
        return random_state.uniform(-bound, bound, (fan_in, fan_out))


class _ScaledNormal(Initializer):
    def _coefs(self, fan_in, fan_out, activation, random_state):
        std = math.sqrt(self._variance(fan_in, fan_out, activation))
        return random_state.normal(0.0, std, (fan_in, fan_out))


class _Glorot:
    def _variance(self, fan_in, fan_out, activation):
        return 2.0 / (fan_in + fan_out)


class GlorotUniform(_Glorot, _ScaledUniform):
    r"""Uniform; the variance is a compromise that preserves both signals and gradients.

    .. math:: w \sim U\left(\pm\sqrt{6 / (n_{in} + n_{out})}\right)

    References
    ----------
    X. Glorot, Y. Bengio. "Understanding the difficulty of training deep feedforward neural
    networks". AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import GlorotUniform
    >>> coefs, intercepts = GlorotUniform().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(np.abs(coefs).max().round(3))
    0.141
    """


class GlorotNormal(_Glorot, _ScaledNormal):
    r"""Normal, with the same variance as Glorot's uniform one.

    .. math:: w \sim N\left(0, 2 / (n_{in} + n_{out})\right)

    References
    ----------
    X. Glorot, Y. Bengio. "Understanding the difficulty of training deep feedforward neural
    networks". AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import GlorotNormal
    >>> coefs, intercepts = GlorotNormal().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.std().round(2))
    0.08
    """


class _He:
    def _variance(self, fan_in, fan_out, activation):
        return 2.0 / ((1.0 + activation._negative_slope**2) * fan_in)


class HeUniform(_He, _ScaledUniform):
    r"""Uniform, with the same variance as He's normal one.

    .. math:: w \sim U\left(\pm\sqrt{\frac{6}{(1 + s^2) n_{in}}}\right)

    with :math:`s` the slope of `sknn_opt.activations.LeakyReLU`, 0 for other activations.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. "Delving deep into rectifiers: Surpassing human-level
    performance on ImageNet classification". ICCV 2015, :arxiv:`1502.01852`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import HeUniform
    >>> coefs, intercepts = HeUniform().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.std().round(2))
    0.1
    """


class HeNormal(_He, _ScaledNormal):
    r"""Normal; the variance makes up for the half of the signal that a ReLU cuts off.

    .. math:: w \sim N\left(0, \frac{2}{(1 + s^2) n_{in}}\right)

    with :math:`s` the slope of `sknn_opt.activations.LeakyReLU`, 0 for other activations.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. "Delving deep into rectifiers: Surpassing human-level
    performance on ImageNet classification". ICCV 2015, :arxiv:`1502.01852`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import HeNormal
    >>> coefs, intercepts = HeNormal().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.std().round(2))
    0.1
    """


class _LeCun:
    def _variance(self, fan_in, fan_out, activation):
        return 1.0 / fan_in


class LeCunUniform(_LeCun, _ScaledUniform):
    r"""Uniform, with the same variance as LeCun's normal one.

    .. math:: w \sim U\left(\pm\sqrt{3 / n_{in}}\right)

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr, K.-R. Müller. "Efficient BackProp". In: Neural Networks:
    Tricks of the Trade, Springer 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import LeCunUniform
    >>> coefs, intercepts = LeCunUniform().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.std().round(2))
    0.07
    """


class LeCunNormal(_LeCun, _ScaledNormal):
    r"""Normal; the variance preserves that of the signal in a layer without activation.

    .. math:: w \sim N\left(0, 1 / n_{in}\right)

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr, K.-R. Müller. "Efficient BackProp". In: Neural Networks:
    Tricks of the Trade, Springer 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import LeCunNormal
    >>> coefs, intercepts = LeCunNormal().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.std().round(2))
    0.07
    """


class Orthogonal(Initializer):
    r"""Orthonormal columns, or rows if these are fewer, times a gain.

    .. math:: W = g Q \quad\text{with}\quad Q^T Q = I \quad\text{or}\quad Q Q^T = I

    The distribution is the uniform one over all such matrices.

    Parameters
    ----------
    gain : float, default=1.0
        The factor :math:`g`. For ReLU layers, sqrt(2) makes up for the half that is cut off.

    References
    ----------
    A. Saxe, J. McClelland, S. Ganguli. "Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks". ICLR 2014, :arxiv:`1312.6120`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import Orthogonal
    >>> coefs, intercepts = Orthogonal(gain=2.0).draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(np.allclose(coefs.T @ coefs, 4 * np.eye(100)))
    True
    """

    _parameter_constraints = {"gain": _POSITIVE}

    def __init__(self, gain=1.0):
        self.gain = gain

    def _coefs(self, fan_in, fan_out, activation, random_state):
        longer, shorter = max(fan_in, fan_out), min(fan_in, fan_out)
        q, r = np.linalg.qr(random_state.normal(size=(longer, shorter)))
        # QR leaves the signs of r's diagonal open; q is uniformly distributed if all are positive.
        q *= np.where(np.diag(r) < 0, -self.gain, self.gain)
        return q if fan_in >= fan_out else q.T


class Uniform(Initializer):
    r"""Uniform, with the same bound for all layers.

    .. math:: w \sim U(\pm l)

    Parameters
    ----------
    limit : float, default=0.05
        The bound :math:`l`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import Uniform
    >>> coefs, intercepts = Uniform(limit=0.1).draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(np.abs(coefs).max().round(2))
    0.1
    """

    _parameter_constraints = {"limit": _POSITIVE}

    def __init__(self, limit=0.05):
        self.limit = limit

    def _coefs(self, fan_in, fan_out, activation, random_state):
        return random_state.uniform(-self.limit, self.limit, (fan_in, fan_out))


class Normal(Initializer):
    r"""Normal, with the same standard deviation for all layers.

    .. math:: w \sim N(0, \sigma^2)

    Parameters
    ----------
    std : float, default=0.05
        The standard deviation :math:`\sigma`.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import Normal
    >>> coefs, intercepts = Normal(std=0.1).draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.std().round(2))
    0.1
    """

    _parameter_constraints = {"std": _POSITIVE}

    def __init__(self, std=0.05):
        self.std = std

    def _coefs(self, fan_in, fan_out, activation, random_state):
        return random_state.normal(0.0, self.std, (fan_in, fan_out))


class Constant(Initializer):
    r"""One value for all weights.

    .. math:: w = c

    All units of a hidden layer are then equal and stay equal, unless dropout makes them
    differ. So use it for networks without hidden layers, or for experiments.

    Parameters
    ----------
    value : float, default=0.1
        The value :math:`c`. The default is not 0, so that gradients pass through the layers.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import Constant
    >>> coefs, intercepts = Constant(value=0.5).draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.min(), coefs.max())
    0.5 0.5
    """

    _parameter_constraints = {"value": [Interval(Real, None, None, closed="neither")]}

    def __init__(self, value=0.1):
        self.value = value

    def _coefs(self, fan_in, fan_out, activation, random_state):
        return np.full((fan_in, fan_out), float(self.value))


class Zeros(Initializer):
    r"""All weights start at 0.

    .. math:: w = 0

    A good start for networks without hidden layers. In other networks the units of a layer
    stay equal, and with activations that are 0 at 0 the weights never change.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_opt.activations import ReLU
    >>> from sknn_opt.initializers import Zeros
    >>> coefs, intercepts = Zeros().draw(200, 100, ReLU(), np.random.RandomState(0))
    >>> print(coefs.any(), intercepts.any())
    False False
    """

    def _coefs(self, fan_in, fan_out, activation, random_state):
        return np.zeros((fan_in, fan_out))


INITIALIZERS = Registry(
    {
        "auto": Auto,
        "glorot_uniform": GlorotUniform,
        "glorot_normal": GlorotNormal,
        "he_uniform": HeUniform,
        "he_normal": HeNormal,
        "lecun_uniform": LeCunUniform,
        "lecun_normal": LeCunNormal,
        "orthogonal": Orthogonal,
        "uniform": Uniform,
        "normal": Normal,
        "constant": Constant,
        "zeros": Zeros,
    },
    aliases={
        "xavier_uniform": "glorot_uniform",
        "xavier_normal": "glorot_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
    },
)
