"""
Members of a committee: which of them finds which function?
===========================================================

The members of a tabular committee see the same table through other encodings. What does each of
them make of a narrow band, a wave and a straight line? And how does it find out that five more
columns are noise?
"""

# %%
# Three effects
# -------------

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sknn_opt import TabularMLPRegressor
from sknn_opt.preprocessing import RelevanceScaler

rng = np.random.default_rng(0)
n = 2000
table = pd.DataFrame(rng.uniform(-2, 2, (n, 8)), columns=["band", "wave", "line", *"abcde"])
effects = {
    "band": lambda x: 2.0 * (np.abs(x - 0.5) < 0.2),
    "wave": lambda x: np.sin(3 * x),
    "line": lambda x: 0.5 * x,
}
y = sum(effects[name](table[name]) for name in effects) + rng.normal(0, 0.5, n)
model = TabularMLPRegressor(random_state=0).fit(table, y)

# %%
# What each member has learnt
# ---------------------------
# One column moves, and all others stay at 0. The committee is the weighted mean of its members; a
# member's weight depends on how good it is on rows that it has not seen.

names = model.member_names_
grid = np.linspace(-2, 2, 200)
fig, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
for ax, feature in zip(axes, effects, strict=True):
    frame = pd.DataFrame(0.0, index=range(200), columns=table.columns)
    frame[feature] = grid
    truth = effects[feature](grid)
    ax.plot(grid, truth - truth.mean(), color="0.6", lw=4, label="truth")
    for i, name in enumerate(["steps", "smooth"]):
        number = names.index(name)
        networks = model.estimators_[4 * number : 4 * number + 4]
        curve = np.mean([network.predict(frame) for network in networks], axis=0)
        ax.plot(grid, curve - curve.mean(), color=f"C{i}", lw=1, label=name)
    curve = model.predict(frame)
    ax.plot(grid, curve - curve.mean(), color="black", lw=1.5, label="committee")
    ax.set(title=feature, xlabel="x")
axes[0].legend(fontsize="small")
for name, weight in zip(names, model.member_weights_, strict=True):
    print(f"{name:12} weight {weight:.2f}")

# %%
# What matters
# ------------
# A small network has been trained for a moment before each of these networks, and its gradients say
# which columns matter. The other columns are made small from the start.

scalers = [one for one in model.encoders_ if isinstance(one, RelevanceScaler)]
relevances = np.mean([scaler.relevances_ for scaler in scalers], axis=0)
fig, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.bar(table.columns, relevances)
ax.set(ylabel="relevance")
plt.show()
