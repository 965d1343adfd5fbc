"""How long a fit takes, beside scikit-learn's and beside its bare matrix products.

Run ``python examples/benchmarks/fit_speed.py``. The cases of a row are measured side by
side, round by round, and the medians' ratio is printed, since machines are noisy. The
bare products are the gemm calls of the same training steps, by the same BLAS, and nothing
else: the floor under the time of a step. PyTorch and JAX take part where they are installed.
"""

import argparse
import importlib.util
import math
import statistics
import time
import warnings

import numpy as np
from peers import PEERS
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning

import sknn_opt
from sknn_opt.kernels import address, at, gemm, kernel, real, reals, struct

# n_samples, n_features, hidden, n_classes, batch_size, dtype, parameters, epochs
CASES = [
    (1797, 64, (100,), 10, 200, "f8", {}, 40),
    (1797, 64, (100,), 10, 32, "f8", {}, 10),
    (1797, 64, (100,), 10, 1, "f8", {}, 2),
    (500, 10, (50,), 2, 32, "f8", {}, 40),
    (20000, 50, (256, 128), 10, 200, "f8", {}, 4),
    (20000, 50, (256, 128), 10, 200, "f4", {}, 4),
    (20000, 784, (512, 512), 10, 256, "f4", {}, 1),
    (1797, 64, (100,), 10, 200, "f8", {"activation": "tanh"}, 40),
    (1797, 64, (100,), 10, 32, "f8", {"activation": "tanh"}, 10),
    (1797, 64, (100,), 10, None, "f8", {"solver": "lbfgs", "max_fun": 10**6}, 100),
]

PRODUCTS = struct(
    "products", fan_in=np.int64, fan_out=np.int64, weights=np.int64, a=np.int64, delta=np.int64
)


@kernel("void (products *layers, int64 n_layers, int64 n_samples, int64 batch_size)")
def _bare_products(layers, n_layers, n_samples, batch_size):
    """The products of one epoch, all on the same operands."""
    for batch in range(-(-n_samples // batch_size)):
        rows = min(batch_size, n_samples - batch * batch_size)
        for i in range(n_layers):
            layer = at(layers, i)
            a, w, d = reals(layer.a), reals(layer.weights), reals(layer.delta)
            m, n = layer.fan_in, layer.fan_out
            gemm(0, 0, rows, n, m, real(1), a, m, w, n, real(0), d, n)
            gemm(1, 0, m, n, rows, real(1), a, m, d, n, real(0), w, n)
            if i > 0:
                gemm(0, 1, rows, m, n, real(1), d, n, w, n, real(0), a, m)


def bare_products(units, n_samples, batch_size, dtype, epochs):
    """Return a function that does the matrix products of a fit."""
    layers = np.zeros(len(units) - 1, PRODUCTS)
    alive = []
    for layer, m, n in zip(layers, units, units[1:], strict=False):
        buffers = [np.zeros(s, dtype) for s in [(m, n), (batch_size, m), (batch_size, n)]]
        alive.append(buffers)
        layer["fan_in"], layer["fan_out"] = m, n
        layer["weights"], layer["a"], layer["delta"] = map(address, buffers)

    def run():
        for _ in range(epochs):
            _bare_products(np.dtype(dtype), address(layers), len(layers), n_samples, batch_size)
        return alive

    return run


def measure(functions, repeats):
    """Median seconds of each function, all of them in turn in every round."""
    for function in functions:
        function()
    seconds = [[] for _ in functions]
    for _ in range(repeats):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]


def run_case(case, repeats, peers):
    n_samples, n_features, hidden, n_classes, batch_size, dtype, parameters, epochs = case
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features)).astype(dtype)
    y = rng.integers(0, n_classes, n_samples)
    parameters = {
        "hidden_layer_sizes": hidden,
        "batch_size": batch_size or "auto",
        "max_iter": epochs,
        "n_iter_no_change": 10**6,
        "tol": 0.0,
        "random_state": 0,
        **parameters,
    }
    ours = sknn_opt.MLPClassifier(**parameters)
    theirs = neural_network.MLPClassifier(**parameters)
    units = [n_features, *hidden, n_classes if n_classes > 2 else 1]
    functions = {"ours": lambda: ours.fit(X, y), "theirs": lambda: theirs.fit(X, y)}
    if batch_size:
        functions["gemm"] = bare_products(units, n_samples, batch_size, dtype, epochs)
        activation = parameters.get("activation")
        functions |= {
            name: peers[name](X, y, units, batch_size, epochs, activation) for name in peers
        }
    seconds = measure(functions.values(), repeats)
    steps = epochs * -(-n_samples // (batch_size or n_samples))
    return {name: 1e6 * s / steps for name, s in zip(functions, seconds, strict=True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cases", type=int, nargs="*", help="numbers of rows, from 0")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    peers = {name: fit for name, fit in PEERS.items() if importlib.util.find_spec(name)}
    columns = ["µs a step", "over gemm", *(f"× {name}" for name in ("scikit-learn", *peers))]
    print("| n, features, hidden, classes, batch, dtype |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    ratios = []
    for number, case in enumerate(CASES):
        if arguments.cases and number not in arguments.cases:
            continue
        times = run_case(case, arguments.repeats, peers)
        ours = times["ours"]
        cells = [f"{ours:.1f}", f"{ours / times['gemm']:.2f}" if "gemm" in times else ""]
        faster = [times[name] / ours if name in times else math.nan for name in ("theirs", *peers)]
        cells += ["" if math.isnan(ratio) else f"{ratio:.2f}" for ratio in faster]
        *sizes, parameters, _ = case
        name = ", ".join(str(s) for s in sizes) + "".join(f", {v}" for v in parameters.values())
        print(f"| {name} |", " | ".join(cells), "|", flush=True)
        if not parameters:
            ratios.append(faster)
    means = np.exp(np.mean(np.log(ratios), axis=0))
    cells = ["", "", *(f"{mean:.2f}" for mean in means)]
    print("| geometric mean of the first ones, relu and adam |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
