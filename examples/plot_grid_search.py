"""
How wide, and how strongly penalized?
=====================================

The diabetes data have 442 patients and much noise, so a wide network can learn them by heart. Is it
better to take fewer units, or to keep many and penalize their weights?
"""

# %%
# A grid of 30 networks
# ---------------------
# Scalers for features and target belong to the model, so each fold has its own. The names of
# parameters go through both: the ``regressor`` in the last step of the pipeline.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPRegressor

X, y = load_diabetes(return_X_y=True)
network = MLPRegressor(optimizer="lbfgs", activation="tanh", max_iter=2000, tol=1e-3, random_state=0)
model = make_pipeline(
    StandardScaler(), TransformedTargetRegressor(network, transformer=StandardScaler())
)
prefix = "transformedtargetregressor__regressor__"
units = [1, 2, 5, 10, 20, 50]
alphas = [0.1, 1, 10, 100, 1000]
search = GridSearchCV(
    model,
    {prefix + "hidden_layer_sizes": [(n,) for n in units], prefix + "alpha": alphas},
    cv=KFold(5, shuffle=True, random_state=0),
    error_score="raise",
).fit(X, y)
print(f"best R² {search.best_score_:.3f} with {search.best_params_}")

# %%
# The heat map
# ------------

scores = search.cv_results_["mean_test_score"].reshape(len(alphas), len(units))
print(scores.round(2))
figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
ax.imshow(scores, vmin=0, vmax=0.5, cmap="cividis", aspect="auto")
for (row, column), score in np.ndenumerate(scores):
    ax.text(column, row, f"{score:.2f}", ha="center", va="center", color="white" if score < 0.3 else "black")
ax.set_xticks(range(len(units)), units)
ax.set_yticks(range(len(alphas)), [f"{a:g}" for a in alphas])
ax.set(xlabel="hidden units", ylabel="alpha", title="R² on held-out data, mean of 5 folds")
plt.show()
