"""The hash that names a fit: equal for equal contents, different for all others."""

import functools
import itertools

import numpy as np
import pytest
from scipy import sparse

from sknn_opt._estimators.fingerprint import fingerprint
from sknn_opt.optimizers import SGD, Adam

ARRAY = np.arange(12.0).reshape(3, 4)


def _adder(n):
    return lambda x: x + n


#: Functions that return a new object at each call, each of them equal contents.
CONTENTS = {
    "None": lambda: None,
    "int": lambda: 1,
    "float": lambda: 1.0,
    "bool": lambda: True,
    "str": lambda: "1",
    "str in a list": lambda: ["1"],
    "two strings": lambda: ["a", "b"],
    "one string": lambda: ["a', 'b"],
    "nested": lambda: [["a"], "b"],
    "tuple": lambda: (1, 2),
    "dict": lambda: {"a": 1},
    "array": lambda: ARRAY.copy(),
    "float32": lambda: ARRAY.astype(np.float32),
    "other shape": lambda: ARRAY.reshape(4, 3).copy(),
    "transposed": lambda: ARRAY.T,
    "a number": lambda: np.array(1.0),
    "empty": lambda: np.zeros((0, 3)),
    "objects": lambda: np.array(["a", None, 1], dtype=object),
    "CSR": lambda: sparse.csr_array(ARRAY),
    "component": lambda: SGD(momentum=0.5),
    "other parameter": lambda: SGD(momentum=0.6),
    "other component": lambda: Adam(),
    "lambda": lambda: _adder(1),
    "other cell": lambda: _adder(2),
    "partial": lambda: functools.partial(max, 1),
    "other partial": lambda: functools.partial(max, 2),
    "type": lambda: SGD,
    "random state": lambda: np.random.RandomState(0),
    "other random state": lambda: np.random.RandomState(1),
}


@pytest.mark.parametrize("make", CONTENTS.values(), ids=CONTENTS)
def test_equal_contents_have_one_hash(make):
    assert fingerprint(make()) == fingerprint(make())


def test_other_contents_have_another_hash():
    hashes = {name: fingerprint(make()) for name, make in CONTENTS.items()}
    for first, second in itertools.combinations(CONTENTS, 2):
        assert hashes[first] != hashes[second], (first, second)


def test_large_arrays_are_hashed_in_pieces_whatever_their_layout():
    large = np.random.default_rng(0).normal(size=(3000, 100))
    assert fingerprint(large) == fingerprint(np.asfortranarray(large))
    changed = large.copy()
    changed[-1, -1] += 1
    assert fingerprint(large) != fingerprint(changed)
