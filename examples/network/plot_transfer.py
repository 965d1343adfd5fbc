"""
Transfer: when does a pretrained network help?
==============================================

A network has learnt the ten digits from nine hundred images. Now there is another question about
other images, and only few of these have labels. Is it better to start from that network, and which
of its layers should go on learning? The answer differs for each of three new questions.
"""

# %%
# Three questions
# ---------------
# The first two are about images that the pretrained network has not seen: is the digit even, and
# which digit is it, now that the scanner gives faint and noisy images? The third is which of the
# digits five to nine it is, for a network that has learnt zero to four only.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknn_opt import MLPClassifier
from sknn_opt.initializers import FromEstimator

X, y = load_digits(return_X_y=True)
X_old, X_new, y_old, y_new = train_test_split(X / 16, y, test_size=0.5, stratify=y, random_state=0)
noise = np.random.default_rng(0).normal(0, 0.15, X_new.shape)
faint = np.clip(0.5 * X_new + 0.25 + noise, 0, 1)

network = MLPClassifier((100, 50), alpha=0.1, learning_rate_init=0.003, batch_size=20, max_iter=80)
warnings.simplefilter("ignore", ConvergenceWarning)  # eighty epochs are enough
learnt_all = clone(network).set_params(random_state=0).fit(X_old, y_old)
few = y < 5
learnt_few = clone(network).set_params(random_state=0).fit(X[few] / 16, y[few])

questions = {
    "Is it even?": (learnt_all, X_new, y_new % 2),
    "Which digit, faint and noisy?": (learnt_all, faint, y_new),
    "5, 6, 7, 8 or 9, after 0 to 4?": (learnt_few, X[~few] / 16, y[~few]),
}

# %%
# Which layers learn
# ------------------
# ``FromEstimator`` takes over each layer whose shapes agree; an output layer for other classes is
# drawn anew. ``trainable`` says for each layer, the output layer being the last, whether it learns,
# or at what share of the learning rate.

starts = {
    "from scratch": None,
    "all layers": [True, True, True],
    "output layer alone": [False, False, True],
    "last two layers": [False, True, True],
    "others at a tenth": [0.1, 0.1, 1.0],
}
N_LABELS, N_SEEDS = (20, 50, 100, 200), 5


def accuracy(pretrained, X, y, trainable, n_labels, seed):
    """Accuracy on all images whose labels were not used."""
    model = clone(network).set_params(random_state=seed)
    if trainable is not None:
        model.set_params(initializer=FromEstimator(pretrained), trainable=trainable)
    X_few, X_rest, y_few, y_rest = train_test_split(
        X, y, train_size=n_labels, stratify=y, random_state=seed
    )
    return model.fit(X_few, y_few).score(X_rest, y_rest)


plt.style.use("tableau-colorblind10")
figure, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained")
for ax, (question, task) in zip(axes, questions.items(), strict=True):
    print(question)
    for name, trainable in starts.items():
        means = [
            np.mean([accuracy(*task, trainable, n, seed) for seed in range(N_SEEDS)])
            for n in N_LABELS
        ]
        style = "--" if trainable is None else "-"
        ax.plot(N_LABELS, means, style, marker="o", label=name)
        print(f"  {name:18}", *(f"{mean:.3f}" for mean in means))
    ax.set(title=question, xlabel="labels", xscale="log", xticks=N_LABELS)
    ax.set_xticks(N_LABELS, N_LABELS)
    ax.minorticks_off()
axes[0].set_ylabel("accuracy, mean of five draws")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
plt.show()

# %%
# What the network knows about all ten digits is enough to tell the even ones. With 20 labels it
# pays to keep that: 85 % with the output layer alone, 87 % with the last two layers, 79 % from
# scratch. With 200 labels the output layer alone has learnt what it can, 91 %, and falls behind a
# network from scratch, 93 %; two layers reach 95 %.
#
# Faint images need the old features, a little adapted. With 20 labels a network from scratch names
# half of the digits, and the pretrained one names 78 %, if its lower layers learn at a tenth of the
# learning rate. With all layers at the full rate it forgets, and does worse with any number of
# labels.
#
# The features that tell zero to four apart are not those that tell five to nine apart. Kept as they
# are, they do harm: 29 % with 20 labels, where 88 % are reached from scratch. With all layers
# trained it hardly matters where they start. A pretrained network is worth trying, and comparing:
# these are five lists in a grid over ``trainable``.
