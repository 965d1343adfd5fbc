"""
Batch size: what does a larger batch change?
============================================

The gradient of a few samples estimates that of all samples, and the more there are, the better the
estimate. But with larger batches a pass over the data has fewer steps. Which size learns fastest by
the epoch, and which by the second? And what does a batch that grows do?
"""

# %%
# From one sample to all of them
# ------------------------------
# Gradient descent without momentum on the digits. Larger batches have less noise in their gradients
# and tolerate larger learning rates, so each size has the best one of 0.01, 0.03, 0.1, 0.3, 1 and
# 3.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sknn_opt import MLPClassifier
from sknn_opt.batches import GrowingBatch
from sknn_opt.optimizers import SGD

X, y = load_digits(return_X_y=True)


def history(batch_size, learning_rate, n_epochs=30):
    network = MLPClassifier(
        (50,),
        optimizer=SGD(momentum=0),
        batch_size=batch_size,
        learning_rate_init=learning_rate,
        random_state=np.random.RandomState(0),
    )
    for _ in range(n_epochs):
        network.partial_fit(X / 16, y, classes=range(10))
    return network.history_


sizes = {1: (0.03, "k:"), 10: (0.3, "C0-"), 100: (1.0, "C1--"), "full": (1.0, "C5-.")}
_ = history(10, 0.1, n_epochs=1)  # the first use of kernels takes a moment

# %%
# By the epoch, by the second
# ---------------------------

plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 3, figsize=(9, 4), sharey=True, layout="constrained")
for batch_size, (learning_rate, style) in sizes.items():
    run = history(batch_size, learning_rate)
    axes[0].semilogy(
        range(1, 31), run["loss"], style, label=f"{batch_size}, rate {learning_rate:g}"
    )
    axes[1].loglog(run["time"], run["loss"], style)
growing = GrowingBatch(start=10, factor=2, every=3)
for label, batch_size, style in (
    ("10", 10, "C0-"),
    ("10, doubled every 3 epochs", growing, "C3--"),
):
    axes[2].semilogy(range(1, 31), history(batch_size, 1.0)["loss"], style, label=label)
axes[0].set(title="Four sizes", xlabel="epoch", ylabel="training loss", ylim=(3e-4, 4))
axes[1].set(title="The same, in time", xlabel="seconds")
axes[2].set(title="A rate of 1, too large for 10", xlabel="epoch")
axes[0].legend()
axes[2].legend()
plt.show()

# %%
# By the epoch, batches of 1 and of 10 are ahead at first, and only those of 10 stay so: with single
# samples the rate has to be small, and the noise of the gradients stops progress at 0.02. By the
# second, single samples are far behind, for an epoch takes four to five times as long. All samples
# at once are slow by either measure: 30 steps are few. On the right, a rate that is too large for
# batches of 10 makes the loss jump. As the batches grow, the noise shrinks, and the same rate
# becomes a good one: growing batches do what a falling learning rate does.
