"""
Grid search: how wide, and how strongly penalized?
==================================================

The diabetes data have 442 patients and much noise, so a wide network can learn them by heart. Is
it better to take fewer units, or to keep many and penalize their weights?
"""

# %%
# A grid of 24 networks
# ---------------------
# The scalers of features and targets belong to the model, so each fold has its own. The name of a
# network's parameter is preceded by the name of its step in the pipeline.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_opt import MLPRegressor

X, y = load_diabetes(return_X_y=True)
network = MLPRegressor(
    activation="tanh",
    optimizer="lbfgs",
    scale_targets=True,
    max_iter=2000,
    tol=1e-3,
    random_state=0,
)
model = make_pipeline(StandardScaler(), network)
prefix = "mlpregressor__"
units = [1, 2, 5, 10, 20, 50]
alphas = [0.1, 1, 10, 100]
search = GridSearchCV(
    model,
    {prefix + "hidden_layer_sizes": [(n,) for n in units], prefix + "alpha": alphas},
    cv=KFold(5, shuffle=True, random_state=0),
).fit(X, y)
print(f"best R² {search.best_score_:.3f} with {search.best_params_}")

# %%
# The heat map
# ------------

scores = search.cv_results_["mean_test_score"].reshape(len(alphas), len(units))
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.imshow(scores, vmin=0, vmax=0.5, cmap="cividis", aspect="auto")
for (row, column), score in np.ndenumerate(scores):
    color = "white" if score < 0.3 else "black"
    ax.text(column, row, f"{score:.2f}", ha="center", va="center", color=color)
ax.set_xticks(range(len(units)), units)
ax.set_yticks(range(len(alphas)), [f"{a:g}" for a in alphas])
ax.set(xlabel="hidden units", ylabel="alpha", title="R² on held-out data, mean of 5 folds")
plt.show()

# %%
# Both ways lead to the same R², about 0.5: one unit needs no penalty to speak of, and with
# ``alpha=10`` any number of units is as good as any other. At 0.1, 20 units or more predict worse
# than the mean does; at 100, all networks are held back alike. So here it is the penalty that needs
# tuning, and the width can be generous.
