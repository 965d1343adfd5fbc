"""
Schedules: what does the learning rate do under each of them?
=============================================================

A schedule multiplies ``learning_rate_init``, and a warm-up multiplies the schedule. Some schedules
depend only on how much time has passed, some reach their end exactly at ``max_iter``, some go up
and down, and one waits for the loss. Which rates does training see?
"""

# %%
# Ask the trainings
# -----------------
# ``history_["learning_rate"]`` holds the rate of each epoch's last step, so the picture shows what
# really ran: each schedule by its name, with its defaults, alone and with a warm-up over the first
# tenth of ``max_iter``.

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sknn_opt import MLPClassifier
from sknn_opt.schedules import SCHEDULES

X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]


def rates(schedule, **parameters):
    """Return the learning rate of every epoch, as a part of learning_rate_init."""
    model = MLPClassifier(
        optimizer="sgd",
        learning_rate=schedule,
        learning_rate_init=0.1,
        batch_size=20,
        max_iter=200,
        random_state=0,
        # Only "adaptive" is to act on a plateau.
        n_iter_no_change=5 if schedule == "adaptive" else 200,
        **parameters,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # all 200 epochs are wanted
        model.fit(X, y)
    return [rate / 0.1 for rate in model.history_["learning_rate"]]


# %%
# Eleven schedules and two warm-ups
# ---------------------------------

fig, axes = plt.subplots(4, 3, figsize=(9, 9), sharey=True, layout="constrained")
for ax, name in zip(axes.flat, SCHEDULES, strict=False):
    ax.plot(rates(name, warmup=0.1), color="tab:orange", label="after a warm-up")
    ax.plot(rates(name), color="tab:blue", label="alone")
    ax.set_title(f'"{name}"')
    ax.set_xlim(0, 200)
axes.flat[0].legend(loc="lower right")

zoom = axes.flat[-1]
for shape, style in {"linear": "-", "cosine": "--"}.items():
    zoom.plot(rates("constant", warmup=0.1, warmup_shape=shape), style, label=shape)
zoom.set(title="the first epochs of warm-ups", xlim=(0, 30))
zoom.legend(loc="lower right")
fig.supxlabel("epoch")
fig.supylabel("learning rate / learning_rate_init")
plt.show()

# %%
# The first row has scikit-learn's: "invscaling" counts samples, not epochs, so nearly all of its
# fall is over after the first epoch, and "adaptive" falls by a factor of five whenever five epochs
# have brought no progress. The second row depends on the time that has passed, and on nothing else.
# "polynomial", "cosine" and "one_cycle" reach their end at ``max_iter``: a smaller ``max_iter``
# makes them steeper. "cosine_restarts" doubles its cycles, "cyclic" repeats them. A warm-up delays
# none of the clocks: after 20 epochs the orange lines join the blue ones where these have got to;
# only "adaptive" waits for the loss, which a warm-up changes.
