"""How near rows are to some rows of the training data, in float64."""

import numpy as np


def similarities(graph, x, features):
    """Add what fitted `KernelFeatures` make of x, in float64."""
    scaled = graph.add("Div", _distances(graph, x, features), np.float64(features.width_))
    if features.kernel == "gaussian":
        scaled = graph.add("Mul", scaled, scaled)
    near = graph.add("Exp", graph.add("Neg", scaled))
    return graph.add("Sub", graph.add("MatMul", near, features.components_), features.mean_)


def _distances(graph, x, features):
    """Add the distance of each row from each landmark, by |x|² - 2 x·l + |l|²."""
    landmarks = features.landmarks_.astype(np.float64)
    squares = graph.add("ReduceSum", graph.add("Mul", x, x), np.array([1]), keepdims=1)
    products = graph.add("MatMul", x, -2 * landmarks.T)
    sums = graph.add("Add", graph.add("Add", products, squares), (landmarks**2).sum(axis=1))
    return graph.add("Sqrt", graph.add("Max", sums, np.float64(0)))
