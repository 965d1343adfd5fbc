"""
Calibrated committees: how far do their probabilities hold?
===========================================================

Of all samples with a probability of 0.8, eight in ten should belong to the class. A committee is
calibrated on rows that its networks have not seen, which costs no data. How well do its
probabilities hold, and how well do those of boosted trees?
"""

# %%
# A table with much chance in it
# ------------------------------
# Whether a customer buys depends on age, income and region, but mostly on things that are not in
# the table.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.calibration import CalibrationDisplay
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split

from sknn_opt import TabularMLPClassifier

rng = np.random.default_rng(0)
n = 8000
table = pd.DataFrame(
    {
        "age": rng.uniform(18, 80, n),
        "income": rng.lognormal(8, 0.5, n),
        "region": rng.choice(["north", "south", "east", "west"], n),
        "visits": rng.poisson(3, n),
    }
)
logit = np.sin(table["age"] / 10) + np.log(table["income"] / 3000) + 0.3 * table["visits"] - 1
logit += table["region"].map({"north": 1.0, "south": -1.0, "east": 0.0, "west": 0.0})
y = rng.random(n) < expit(logit)
table["region"] = table["region"].astype("category")
X_train, X_test, y_train, y_test = train_test_split(table, y, train_size=1500, random_state=0)

# %%
# Three models
# ------------

models = {
    "boosted trees": HistGradientBoostingClassifier(random_state=0),
    "committee, not calibrated": TabularMLPClassifier("fast", calibrate=False, random_state=0),
    "committee": TabularMLPClassifier("fast", random_state=0),
}
fig, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
for name, model in models.items():
    probability = model.fit(X_train, y_train).predict_proba(X_test)[:, 1]
    CalibrationDisplay.from_predictions(y_test, probability, n_bins=10, ax=ax, name=name)
    print(
        f"{name:26} log-loss {log_loss(y_test, probability):.3f}, "
        f"Brier score {brier_score_loss(y_test, probability):.4f}"
    )
print(f"temperature: {models['committee'].temperature_:.2f}")
ax.set(title="How often it happens that is called this probable")
plt.show()

# %%
# The trees are too sure: their curve is flatter than the diagonal. The mean of networks that stop
# early is already close to the diagonal, and the temperature does the rest.
