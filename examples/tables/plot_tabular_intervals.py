"""
Intervals for tables: how often do they contain the truth?
==========================================================

A predicted rent of 900 does not tell you whether 1100 would be a surprise. The committees for
tables know how wrong they were on rows that they had not seen, and make intervals from that; for
classes, they make sets. Both are checked here on new rows, all together and in parts.
"""

# %%
# Rents
# -----
# A made-up market: the rent grows with the area, faster in the centre, and follows the age of the
# house. In the centre it also scatters twice as much. One age in five is missing.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sknn_opt import MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_opt.preprocessing import TabularEncoder


def draw(n, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "area": rng.gamma(9, 8, n),
            "district": rng.choice(["centre", "north", "south"], n, p=[0.2, 0.4, 0.4]),
            "built": pd.Timestamp("1920-01-01") + pd.to_timedelta(rng.integers(0, 36_500, n), "D"),
            "balcony": rng.random(n) < 0.4,
        }
    )
    centre = table["district"] == "centre"
    rent = (9 + 5 * centre) * table["area"] + 60 * table["balcony"]
    rent += 150 * np.cos((table["built"].dt.year - 1920) / 15)
    rent += np.where(centre, 160, 80) * rng.normal(size=n)
    table.loc[rng.random(n) < 0.2, "built"] = None
    return table, rent.to_numpy()


table, rent = draw(1500, seed=0)
new_table, new_rent = draw(10_000, seed=1)
model = TabularMLPRegressor("fast", random_state=0).fit(table, rent)
print(f"R² on new rows: {model.score(new_table, new_rent):.2f}")

# %%
# Intervals of several coverages
# ------------------------------

levels = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
inside, width = {}, {}
for level in levels:
    low, high = model.predict_interval(new_table, coverage=level).T
    inside[level] = (low <= new_rent) & (new_rent <= high)
    width[level] = (high - low).mean()

fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
axes[0].plot([0.4, 1], [0.4, 1], "k:", label="as promised")
axes[0].plot(levels, [inside[level].mean() for level in levels], "o-", label="all rows")
for district, style in {"centre": "^--", "north": "v--"}.items():
    rows = new_table["district"] == district
    axes[0].plot(levels, [inside[level][rows].mean() for level in levels], style, label=district)
axes[0].set(xlabel="coverage that is asked for", ylabel="share of new rents inside")
axes[0].legend()
axes[1].plot(levels, [width[level] for level in levels], "o-", color="C0")
axes[1].set(xlabel="coverage that is asked for", ylabel="mean width", ylim=(0, None))
plt.show()

for name in ("all", "centre", "north", "south"):
    rows = (new_table["district"] == name) | (name == "all")
    print(f"{name:7} {inside[0.9][rows].mean():.1%} of 90 %")

# %%
# For all rows together the promise is kept, but it says nothing about a part of them: in the
# centre, where rents scatter twice as much, 90 % intervals contain 74 % of the rents. If a part
# matters, measure it on rows of its own, as here.
#
# Members that learn the scatter
# ------------------------------
# A member of your own can have ``loss="gaussian_nll"``, which learns a variance for each row.

network = MLPRegressor(
    (64, 64), loss="gaussian_nll", learning_rate_init=3e-3, dropout=0.1, max_iter=60
)
members = [("scatter", make_pipeline(TabularEncoder(), network.set_params(scale_targets=True)))]
aware = TabularMLPRegressor(members, random_state=0).fit(table, rent)
low, high = aware.predict_interval(new_table, coverage=0.9).T
print(f"R² on new rows: {aware.score(new_table, new_rent):.2f}")
for name in ("all", "centre", "north", "south"):
    rows = (new_table["district"] == name) | (name == "all")
    share = ((low <= new_rent) & (new_rent <= high))[rows].mean()
    print(f"{name:7} {share:.1%} of 90 %, mean width {(high - low)[rows].mean():.0f}")

# %%
# Sets of classes
# ---------------
# For a classifier the interval is a set of classes, usually a single one. Here it is digits, 300 of
# them for training:

X, y = load_digits(return_X_y=True)
X_train, X_new, y_train, y_new = train_test_split(X, y, train_size=300, random_state=0, stratify=y)
classifier = TabularMLPClassifier("fast", random_state=0).fit(X_train, y_train)
sets = classifier.predict_interval(X_new, coverage=0.95)
sizes = sets.sum(axis=1)
print(f"accuracy {classifier.score(X_new, y_new):.1%}")
print(f"digit in the set {sets[np.arange(len(y_new)), y_new].mean():.1%}")
for size in np.unique(sizes):
    print(f"{np.mean(sizes == size):6.1%} of the sets have {size} of ten digits")

# %%
# A set of several digits is a question for a human; these are the first ones that got one.

unsure = np.flatnonzero(sizes > 1)[:6]
fig, axes = plt.subplots(1, len(unsure), figsize=(9, 2.2), layout="constrained")
for ax, row in zip(np.atleast_1d(axes), unsure, strict=True):
    ax.imshow(X_new[row].reshape(8, 8), cmap="gray_r")
    ax.set(title=" or ".join(map(str, np.flatnonzero(sets[row]))), xticks=[], yticks=[])
    ax.set_xlabel(f"is {y_new[row]}")
plt.show()
