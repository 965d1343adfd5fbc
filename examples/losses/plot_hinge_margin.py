"""
Hinge loss: what does it see that cross-entropy does not?
=========================================================

Cross-entropy wants every sample to be more certain, however far it is on the right side. The hinge
loss asks for a margin, and samples beyond it have no say. What does that do to the boundary between
two classes, and how many samples does the network depend on?
"""

# %%
# Two moons
# ---------
# The same network, the same data, two losses. ``decision_function`` returns the raw output, which
# is a log odds for cross-entropy; the hinge loss is 0 where it is beyond 1 on the right side.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from sknn_opt import MLPClassifier

X, y = make_moons(200, noise=0.2, random_state=0)
sign = 2 * y - 1

networks = {
    loss: MLPClassifier(
        (50,),
        loss=loss,
        alpha=0.1,
        learning_rate_init=0.01,
        max_iter=3000,
        n_iter_no_change=50,
        random_state=0,
    ).fit(X, y)
    for loss in ("log_loss", "hinge")
}

# %%
# Who pulls at the network
# ------------------------
# A sample influences the network by the gradient of its loss with respect to the raw output. For
# cross-entropy this is ``1 / (1 + exp(margin))``; for the hinge loss it is 1 within the margin and
# 0 beyond it.

gradients = {
    "log_loss": lambda margin: 1 / (1 + np.exp(margin)),
    "hinge": lambda margin: (margin < 1).astype(float),
}
across, up = np.meshgrid(np.linspace(-1.7, 2.7, 200), np.linspace(-1.3, 1.8, 200))
grid = np.column_stack([across.ravel(), up.ravel()])

figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for ax, (loss, network) in zip(axes, networks.items(), strict=True):
    raw = network.decision_function(grid).reshape(across.shape)
    ax.contourf(across, up, raw, [-1, 1], colors=["0.88"])
    ax.contour(across, up, raw, [-1, 0, 1], colors="black", linestyles=["--", "-", "--"])
    say = gradients[loss](sign * network.decision_function(X))
    for label, color, marker in ((0, "tab:blue", "o"), (1, "tab:orange", "s")):
        of_class = y == label
        ax.scatter(*X[of_class].T, 8 + 60 * say[of_class], color=color, marker=marker, alpha=0.7)
    ax.set_title(f'"{loss}": {np.sum(say > 0)} of {len(X)} samples have a gradient')
plt.show()

# %%
# In the grey band the raw output is between -1 and 1; the larger a mark, the larger the gradient of
# its sample. Under cross-entropy all 200 samples pull, nearly all of them weakly, and the weights
# grow until the band is narrow. The hinge loss is done with all but 18, those in its wider band or
# beyond it: they alone hold the boundary in its place, as support vectors do. Both get 98 % of the
# samples right.
