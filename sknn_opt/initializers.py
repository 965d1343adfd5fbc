"""Initial weights and intercepts.

`INITIALIZERS`, near the foot, maps names to classes. All except "auto" set the intercepts to 0.
Only the He initializers depend on the activation, by the slope of `LeakyReLU`. Normal
distributions are not truncated. `FromEstimator`, which needs a fitted network, has no name.
"""

import math
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval, StrOptions

from ._components import Component, Registry, resolve

_POSITIVE = [Interval(Real, 0, None, closed="neither")]


class Initializer(Component):
    """Base of the initializers: the intercepts are 0, the weights those of ``_coefs``."""

    def fill(self, layers, activations, random_state):
        """Write the initial parameters of a network to its arrays.

        Parameters
        ----------
        layers : list of dict of ndarray
            The arrays of each layer by their names: "coefs" of shape (fan_in, fan_out),
            "intercepts" of shape (fan_out,), and those of a normalization, such as
            "normalization_scales", which hold what they start from already.
        activations : list of Activation
            What follows each layer; for the output layer, what precedes it.
        random_state : RandomState
            Source of the draws.
        """
        for i, (layer, activation) in enumerate(zip(layers, activations, strict=True)):
            self.fill_layer(i, layer, activation, random_state)

    def fill_layer(self, i, layer, activation, random_state):
        """Write the initial parameters of layer ``i``; `fill` has the arguments."""
        drawn = self.draw(*layer["coefs"].shape, activation, random_state)
        layer["coefs"][:], layer["intercepts"][:] = drawn

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


class FromEstimator(Initializer):
    r"""The parameters of a fitted network, wherever the shapes of a layer agree.

    .. math:: W_l = W_l^{fitted}, \; b_l = b_l^{fitted}, \; \dots

    for each layer :math:`l`, counted from the input, that has arrays of the same shapes in
    both networks. It takes over all of them: weights, intercepts, and with a normalization
    its scales, shifts and running statistics too. All other layers, such as an output layer
    for another number of classes, are drawn as ``otherwise`` says. So a network can start
    from what another one has learnt from other data, and ``trainable`` may freeze it.

    Activations are not compared; use those of the fitted network. A regressor that was trained
    with ``scale_targets=True`` has learnt scaled targets, and so should the one that takes over
    its last layer. There is no name for this initializer.
    Clones share the fitted network, which stays as it is, so that each fit of a search starts
    from it. A pickle of an estimator with this initializer holds both networks.

    Parameters
    ----------
    fitted : MLPClassifier or MLPRegressor
        Fitted; of this package or of scikit-learn. Another estimator serves as well if
        ``coefs_`` and ``intercepts_`` have been assigned to it.
    otherwise : str or Initializer, default="auto"
        How the other layers are drawn.

    Raises
    ------
    ValueError
        By fit, if ``fitted`` has no parameters, or if the shapes of no layer agree.

    References
    ----------
    J. Yosinski, J. Clune, Y. Bengio, H. Lipson. "How transferable are features in deep neural
    networks?" NeurIPS 2014, :arxiv:`1411.1792`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sknn_opt import MLPClassifier
    >>> from sknn_opt.initializers import FromEstimator
    >>> X, y = load_iris(return_X_y=True)
    >>> X, settings = scale(X), {"hidden_layer_sizes": (20,), "tol": 1e-3, "random_state": 0}
    >>> two = MLPClassifier(optimizer="lbfgs", **settings).fit(X[:100], y[:100])
    >>> start = FromEstimator(two)
    >>> three = MLPClassifier(
    ...     optimizer="lbfgs", initializer=start, trainable=[False, True], **settings
    ... ).fit(X, y)
    >>> print((three.coefs_[0] == two.coefs_[0]).all(), three.score(X, y) > 0.95)
    True True
    """

    _parameter_constraints = {
        "fitted": [BaseEstimator],
        "otherwise": [StrOptions(INITIALIZERS.names), Initializer],
    }

    def __init__(self, fitted, otherwise="auto"):
        self.fitted = fitted
        self.otherwise = otherwise

    def __sklearn_clone__(self):
        return type(self)(self.fitted, clone(self.otherwise, safe=False))

    def _identity(self):
        # What the fitted network has learnt, and nothing else: its history holds times.
        return [self._known_layers(), self.otherwise]

    def fill(self, layers, activations, random_state):
        known = self._known_layers()
        if not any(_shapes(a) == _shapes(b) for a, b in zip(known, layers, strict=False)):
            of_known, wanted = ([_shapes(a)["coefs"] for a in each] for each in (known, layers))
            raise ValueError(
                "FromEstimator has nothing to take over: no layer has the same shapes in both "
                f"networks, normalization included. Weights have the shapes {of_known} in the "
                f"fitted one, but the parameters and the data ask for {wanted}."
            )
        super().fill(layers, activations, random_state)

    def fill_layer(self, i, layer, activation, random_state):
        known = self._known_layers()
        if i < len(known) and _shapes(known[i]) == _shapes(layer):
            for name, array in layer.items():
                array[:] = known[i][name]
        else:
            otherwise = resolve(self.otherwise, INITIALIZERS, None)
            otherwise.fill_layer(i, layer, activation, random_state)

    def _known_layers(self):
        """Return the arrays of each layer of the fitted network by their names."""
        fitted = self.fitted
        if not (hasattr(fitted, "coefs_") and hasattr(fitted, "intercepts_")):
            raise ValueError(
                f"FromEstimator needs a fitted network, but this {type(fitted).__name__} has no "
                "coefs_ and intercepts_. Fit it first; of a pipeline, pass the last step, "
                "pipeline[-1]."
            )
        if hasattr(fitted, "normalization_scales_"):  # it is of this package
            return fitted._fitted_parameters()
        pairs = zip(fitted.coefs_, fitted.intercepts_, strict=True)
        return [{"coefs": coefs, "intercepts": intercepts} for coefs, intercepts in pairs]


def _shapes(layer):
    return {name: np.shape(array) for name, array in layer.items()}
