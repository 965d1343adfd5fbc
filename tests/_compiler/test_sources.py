import math
import subprocess
import sys
from collections import namedtuple
from types import FunctionType, ModuleType

import numba
import numpy as np
import pytest

from sknn_opt._compiler import sources
from sknn_opt._compiler.declarations import inline, real, reals
from sknn_opt._compiler.sources import NoDigestError, digest, global_names, sources_digest


def test_the_digest_sees_every_source(package_copy, monkeypatch):
    copy = package_copy / "sknn_opt"
    monkeypatch.setattr(sources.resources, "files", lambda name: package_copy / name)
    digests = {sources_digest(), sources_digest.__wrapped__()}
    assert len(digests) == 1
    (copy / "deep" / "deeper").mkdir(parents=True)
    (copy / "deep" / "deeper" / "file.py").write_text("")
    digests.add(sources_digest.__wrapped__())
    files = sorted(copy.rglob("*.py"))
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        digests.add(sources_digest.__wrapped__())
        file.write_bytes(content)
    assert len(digests) == 2 + len(files)


def _helper(x):
    return 2 * x


def _other_helper(x):
    return 3 * x


_scale = _call = _module = None  # in the functions below: what `scaled` and `in_module` put there


def _scaled(x, extra=1.0, *, more=0.0):
    return _scale * _call(x) + extra + more


def scaled(_scale=1.5, _call=_helper, **changes):
    """A copy of a function in a namespace with these globals."""
    copy = FunctionType(_scaled.__code__, {"_scale": _scale, "_call": _call}, "scaled", (1.0,))
    copy.__kwdefaults__ = {"more": 0.0}
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy


def closure(value):
    return lambda x: value * x


def module(**contents):
    made = ModuleType("made")
    vars(made).update(contents)
    return made


PAIRS = {
    "code": (lambda x: x + 1, lambda x: x + 2),
    "names": (lambda x: math.sin(x), lambda x: math.cos(x)),
    "function inside": (lambda x: (lambda y: y + 1)(x), lambda x: (lambda y: y + 2)(x)),
    "closure": (closure(1.0), closure(2.0)),
    "zero's sign": (closure(0.0), closure(-0.0)),
    "type": (closure(1), closure(1.0)),
    "constant": (scaled(), scaled(_scale=2.5)),
    "array": (scaled(np.ones(2)), scaled(np.zeros(2))),
    "helper": (scaled(), scaled(_call=_other_helper)),
    "helper's constant": (
        scaled(_call=scaled(_scale=1.0)),
        scaled(_call=scaled(_scale=2.0)),
    ),
    "compiled helper": (
        scaled(_call=numba.njit(_helper)),
        scaled(_call=numba.njit(_other_helper)),
    ),
    "inline helper": (scaled(_call=inline(_helper)), scaled(_call=inline(_other_helper))),
    "library": (scaled(_call=np.exp), scaled(_call=np.tanh)),
    "intrinsic": (scaled(_call=reals), scaled(_call=inline(_helper))),
    "floating type": (scaled(_call=real), scaled(_call=np.float32)),
    "default": (scaled(), scaled(__defaults__=(2.0,))),
    "keyword's default": (scaled(), scaled(__kwdefaults__={"more": 1.0})),
    "named tuple": (
        scaled(namedtuple("Pair", "a b")),
        scaled(namedtuple("Pair", "a c")),
    ),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_what_computes_something_else_has_another_digest(one, other):
    assert digest(one) != digest(other)


def test_constants_of_another_module_are_seen():
    def uses_module(x):
        return _module.factor * x

    def in_module(**contents):
        return FunctionType(uses_module.__code__, {"_module": module(**contents)})

    assert digest(in_module(factor=1.0)) == digest(in_module(factor=1.0, unused=7))
    assert digest(in_module(factor=1.0)) != digest(in_module(factor=2.0))


def test_what_computes_the_same_has_the_same_digest():
    assert digest(closure(1.5)) == digest(closure(1.5))
    assert digest(scaled()) == digest(scaled())
    lambdas = [lambda x: _helper(x) in {1, "a", "b", None} for _ in range(2)]
    assert digest(lambdas[0]) == digest(lambdas[1])


def test_functions_may_call_each_other():
    space = {}
    exec("def f(x): return g(x)\ndef g(x): return f(x) if x else f(x - 1)", space)
    assert digest(space["f"]) != digest(space["g"])


def test_a_value_of_an_unknown_kind_has_no_digest():
    for value in (object(), np.array([None]), {}):
        with pytest.raises(NoDigestError):
            digest(closure(value))

    def not_yet():
        return late

    with pytest.raises(NoDigestError, match="not yet set"):
        digest(not_yet)
    late = 1
    digest(not_yet)


def test_attributes_are_no_globals():
    def reads(x):
        return x.sqrt + math.sqrt(abs(x.first)) + (lambda: _helper)()(x)

    assert global_names(reads.__code__) == {"math", "abs", "_helper"}


SAME = """
from sknn_opt._compiler.sources import digest
print(digest(lambda x: x in {"a", "b", "c", 1.5} and (lambda: "d")()))
"""


def test_each_process_computes_the_same_digest():
    run = [subprocess.check_output([sys.executable, "-c", SAME]) for _ in range(2)]
    assert run[0] == run[1]
