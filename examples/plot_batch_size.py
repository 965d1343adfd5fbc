"""
What does a larger batch change?
================================

A gradient from a few samples is a guess at that of all of them, and a better one the more samples it has seen. But
one pass over the data then has fewer steps. Which batch size learns fastest for each epoch, and which for
each second? And can one have both, with batches that grow?
"""

# %%
# From one sample to all of them
# ------------------------------
# Plain stochastic gradient descent on the digits. The rate is the best of a few for each size: larger batches,
# whose gradients are less noisy, bear larger ones.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sknn_opt import MLPClassifier
from sknn_opt.batches import GrowingBatch
from sknn_opt.optimizers import SGD

X, y = load_digits(return_X_y=True)
X = X / 16


def fit(batch_size, rate, n):
    network = MLPClassifier((50,), optimizer=SGD(momentum=0), batch_size=batch_size, learning_rate_init=rate,
      random_state=np.random.RandomState(0), alpha=0)
    try:
        for _ in range(n): network.partial_fit(X, y, classes=range(10))
    except ValueError: return None
    return network.history_
for b,n in [(1,10),(10,20),(100,40),("full",40),(GrowingBatch(10,2,5),40)]:
    for r in (0.01,0.03,0.1,0.3,1,3):
        h=fit(b,r,n)
        if h: print(b,r,h["loss"][4::5], h["time"][-1])
