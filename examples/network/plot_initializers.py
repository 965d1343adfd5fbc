"""
Initializers: how large is the signal after twenty layers?
==========================================================

A layer of a network multiplies what it gets by weights that were drawn at random. If it makes
signals a little smaller, twenty layers make them vanish, and the same is true of the gradients on
their way back. Which initializer keeps both alive, for tanh and for relu?
"""

# %%
# A forward and a backward pass, by hand
# --------------------------------------
# Twenty layers of 100 units, before any training. The initializers draw weights just as they do for
# a network; the rest is six lines of NumPy. The signal starts as standard normal noise, and so does
# the gradient at the far end.

import matplotlib.pyplot as plt
import numpy as np

from sknn_opt.activations import ACTIVATIONS
from sknn_opt.initializers import INITIALIZERS

DEPTH, UNITS = 20, 100
functions = {
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(float)),
}


def sizes(initializer, activation):
    """Return the root mean square of signals and of gradients after each layer."""
    f, slope = functions[activation]
    rng = np.random.RandomState(0)
    weights, signals = [], [rng.standard_normal((500, UNITS))]
    for _ in range(DEPTH):
        coefs, intercepts = initializer.draw(UNITS, UNITS, ACTIVATIONS[activation](), rng)
        weights.append(coefs)
        signals.append(f(signals[-1] @ coefs + intercepts))
    gradients = [rng.standard_normal((500, UNITS))]
    for coefs, signal in zip(weights[::-1], signals[:0:-1], strict=True):
        gradients.append((gradients[-1] * slope(signal)) @ coefs.T)
    return [[np.sqrt(np.mean(layer**2)) for layer in side] for side in (signals, gradients[::-1])]


# %%
# Five initializers
# -----------------

plt.style.use("tableau-colorblind10")
names = ["normal", "glorot_normal", "he_normal", "orthogonal", "auto"]
styles = ["k:", "C0-", "C1-", "C3--", "C5-."]
figure, axes = plt.subplots(2, 2, figsize=(9, 7), sharex=True, sharey=True, layout="constrained")
for column, activation in zip(axes.T, functions, strict=True):
    for name, style in zip(names, styles, strict=True):
        for ax, side in zip(column, sizes(INITIALIZERS[name](), activation), strict=True):
            ax.semilogy(side, style, label=name)
    column[0].set_title(activation)
axes[0, 0].set(ylabel="size of the signal", ylim=(1e-7, 30))
axes[1, 0].set_ylabel("size of the gradient")
axes[0, 0].legend(loc="lower left")
figure.supxlabel("layer")
plt.show()

# %%
# Normal weights of a fixed standard deviation of 0.05, 100 of them for a unit, halve the signal in
# each layer of tanh units and do worse with relu. After Glorot, 20 layers of tanh units keep a
# seventh of the signal and a sixth of the gradient, but relu cuts away half of what it sees, and a
# thousandth is left; orthogonal weights do about the same. The factor of two in He's variance makes
# up for that: with relu, signal and gradient end at three quarters of what they were. "auto",
# scikit-learn's rule, draws the intercepts too, so its signal lasts longer, but that part of it
# says nothing about the input, and the gradient fades as it does with Glorot's rule.
