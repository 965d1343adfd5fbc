"""Initial weights and intercepts."""

import math

from ._component import Component, Registry


class Initializer(Component):
    """Base of the initializers."""

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
        raise NotImplementedError


class Auto(Initializer):
    r"""scikit-learn's rule: uniform, after Glorot and Bengio, intercepts included.

    .. math:: w, b \sim U\left(\pm\sqrt{c / (n_{in} + n_{out})}\right)

    with :math:`c = 2` for the logistic activation and 6 for the others.

    References
    ----------
    X. Glorot, Y. Bengio. "Understanding the difficulty of training deep feedforward neural
    networks". AISTATS 2010.
    """

    def draw(self, fan_in, fan_out, activation, random_state):
        bound = math.sqrt(activation._auto_factor / (fan_in + fan_out))
        coefs = random_state.uniform(-bound, bound, (fan_in, fan_out))
        return coefs, random_state.uniform(-bound, bound, fan_out)


INITIALIZERS = Registry({"auto": Auto})
