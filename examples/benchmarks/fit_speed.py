"""How long a fit takes, beside scikit-learn's and beside its bare matrix products.

Run ``python examples/benchmarks/fit_speed.py``. All figures of a row are measured side by
side, round by round, and the medians' ratio is printed, since machines are noisy. Three figures
in a cell are those with one thread of BLAS, with all threads, and with all threads while another
process keeps one core busy. The bare products are the gemm calls of the same training steps, of
whole batches, by the same BLAS, each at the faster of one thread and all, and nothing else: the
floor under the time of a step. PyTorch and JAX take part where they are installed.
"""

import argparse
import importlib.util
import itertools
import math
import warnings

import numpy as np
from conditions import CONDITIONS, measure_under
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

PRODUCT = struct(
    "product", kind=np.int64, fan_in=np.int64, fan_out=np.int64, w=np.int64, a=np.int64, d=np.int64
)

#: Kinds of products: of the forward pass, of the weights' gradient, and of the units' derivatives.
FORWARD, GRADIENT, BACKWARD = range(3)


@kernel("void (product *products, int64 n_samples, int64 batch_size)")
def _repeat_product(products, n_samples, batch_size):
    """One of the products of a step, for all steps of an epoch, on the same operands."""
    one = at(products, 0)
    a, w, d = reals(one.a), reals(one.w), reals(one.d)
    m, n = one.fan_in, one.fan_out
    for batch in range(-(-n_samples // batch_size)):
        rows = min(batch_size, n_samples - batch * batch_size)
        if one.kind == FORWARD:
            gemm(0, 0, rows, n, m, real(1), a, m, w, n, real(0), d, n)
        elif one.kind == GRADIENT:
            gemm(1, 0, m, n, rows, real(1), a, m, d, n, real(0), w, n)
        else:
            gemm(0, 1, rows, m, n, real(1), d, n, w, n, real(0), a, m)


def bare_products(units, n_samples, batch_size, dtype, epochs):
    """Return functions by name, each of which does one of the matrix products of all steps."""
    shapes = list(itertools.pairwise(units))
    needed = [(i, kind) for i in range(len(shapes)) for kind in (FORWARD, GRADIENT, BACKWARD)]
    return {
        f"product {i} {kind}": _product(kind, *shapes[i], n_samples, batch_size, dtype, epochs)
        for i, kind in needed
        if i > 0 or kind != BACKWARD  # nobody asks for derivatives by the features
    }


def _product(kind, m, n, n_samples, batch_size, dtype, epochs):
    one = np.zeros(1, PRODUCT)
    rng = np.random.default_rng(0)  # pages that nobody has written to are slow to read
    shapes = (m, n), (batch_size, m), (batch_size, n)
    buffers = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    one["kind"], one["fan_in"], one["fan_out"] = kind, m, n
    one["w"], one["a"], one["d"] = map(address, buffers)

    def run():
        for _ in range(epochs):
            _repeat_product(np.dtype(dtype), address(one), n_samples, batch_size)
        return buffers

    return run


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
        functions |= bare_products(units, n_samples, batch_size, dtype, epochs)
        activation = parameters.get("activation")
        functions |= {
            name: peers[name](X, y, units, batch_size, epochs, activation) for name in peers
        }
    steps = epochs * -(-n_samples // (batch_size or n_samples))
    return {key: 1e6 * s / steps for key, s in measure_under(functions, repeats).items()}


def cells(times, names):
    """Return the columns of a row, and by how much we are faster than others, as an array."""
    ours = np.array([times["ours", condition] for condition in CONDITIONS])
    products = {name for name, _ in times if name.startswith("product")}
    one_or_all = "one thread", "all threads"
    floor = sum(min(times[name, c] for c in one_or_all) for name in products)
    faster = np.array(
        [[times.get((name, c), math.nan) for c in CONDITIONS] / ours for name in names]
    )
    over = f"{min(ours[:2]) / floor:.2f}" if products else ""
    ratios = ["" if math.isnan(row[0]) else three(row) for row in faster]
    return [three(ours, 1), over, *ratios], faster


def three(values, digits=2):
    return " / ".join(f"{value:.{digits}f}" for value in values)


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
        row, faster = cells(run_case(case, arguments.repeats, peers), ["theirs", *peers])
        *sizes, parameters, _ = case
        name = ", ".join(str(s) for s in sizes) + "".join(f", {v}" for v in parameters.values())
        print(f"| {name} |", " | ".join(row), "|", flush=True)
        if not parameters:
            ratios.append(faster)
    means = [three(row) for row in np.exp(np.mean(np.log(ratios), axis=0))]
    print("| geometric mean of the first ones, relu and adam | | |", " | ".join(means), "|")


if __name__ == "__main__":
    main()
