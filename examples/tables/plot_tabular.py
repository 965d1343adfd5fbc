"""
Raw tables: how does a committee compare with boosted trees?
============================================================

A raw table with numbers, words, dates and gaps goes into
:class:`~sknn_opt.TabularMLPRegressor` as it is. How does the committee compare with boosted trees,
and what does it cost?
"""

# %%
# A table
# -------
# Hourly rentals of bicycles, made up: rush hours on working days, smooth in the temperature, half
# as many in the rain, a little more each month. One temperature in ten is missing.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split

from sknn_opt import TabularMLPRegressor

rng = np.random.default_rng(0)
n = 4000
hours = pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 24 * 700, n), "h")
table = pd.DataFrame(
    {
        "hour": hours,
        "temperature": rng.normal(12, 8, n),
        "weather": rng.choice(["dry", "rain", "snow"], n, p=[0.7, 0.25, 0.05]),
        "station": rng.choice([f"station {i}" for i in range(25)], n),
    }
)
working = hours.day_of_week < 5
rush = working & np.isin(hours.hour, [7, 8, 16, 17, 18])
rentals = 40 + 120 * rush + 60 * np.exp(-(((table["temperature"] - 22) / 9) ** 2))
rentals *= table["weather"].map({"dry": 1.0, "rain": 0.5, "snow": 0.2})
rentals *= 1 + 0.02 * (hours - hours.min()).days / 30
rentals *= 0.5 + table["station"].str.removeprefix("station ").astype(int) / 25
rentals = rng.poisson(rentals)
table.loc[rng.random(n) < 0.1, "temperature"] = None
X_train, X_test, y_train, y_test = train_test_split(table, rentals, train_size=1500, random_state=0)
print(X_train.head())

# %%
# The committee takes the frame
# -----------------------------
# Trees need dates as numbers, and categories marked as such. Here they get the hour, the day of the
# week and the day of the data.


def for_trees(frame):
    hour = frame["hour"].dt
    frame = frame.assign(
        time=hour.hour, day=hour.day_of_week, days=(frame["hour"] - table["hour"].min()).dt.days
    )
    return frame.drop(columns="hour").astype({"weather": "category", "station": "category"})


trees = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
models = {
    "boosted trees": (trees, for_trees),
    "committee, fast": (TabularMLPRegressor("fast", random_state=0), lambda frame: frame),
    "committee, auto": (TabularMLPRegressor(random_state=0), lambda frame: frame),
}
scores, seconds = {}, {}
for name, (model, prepare) in models.items():
    start = time.perf_counter()
    model.fit(prepare(X_train), y_train)
    seconds[name] = time.perf_counter() - start
    scores[name] = model.score(prepare(X_test), y_test)
    print(f"{name:16} R² {scores[name]:.3f}")

# %%
# Better, and slower
# ------------------
# The committee explains more of what can be explained, and takes many times as long to train.

fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
axes[0].barh(list(scores), [1 - score for score in scores.values()], color="C0")
axes[0].set(xlabel="1 - R² on new rows", title="Error")
axes[1].barh(list(seconds), seconds.values(), color="C1")
axes[1].set(xlabel="seconds", xscale="log", title="Time of training")
axes[0].invert_yaxis()

# %%
# Who is in the committee
# -----------------------
# Each member has learnt from a different encoding of the table. Its weight depends on how well it
# predicts rows that it has not seen; ``oof_score_`` is the score of the weighted mean on them.

model = models["committee, auto"][0]
for name, weight, loss in zip(
    model.member_names_, model.member_weights_, model.member_losses_, strict=True
):
    print(f"{name:12} weight {weight:.2f}, squared error {loss:.0f}")
print(f"R² on rows not seen: {model.oof_score_:.3f}")
plt.show()
