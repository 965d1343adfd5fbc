import errno
import os
import pickle
from enum import Enum
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
from numba.core.codegen import CPUCodegen

from sknn_opt._compiler import cache as _cache
from sknn_opt._compiler.declarations import Kernel, address, inline
from sknn_opt.losses import Separable

DTYPES = ["float64", "float32"]


def _triple(x, n):
    for i in range(n):
        x[i] *= 3


def _halve(x, n):
    for i in range(n):
        x[i] *= 0.5


def compile_one(function=_triple, dtype="float64"):
    """Compile anew or load from the cache; return the result for 1 and whether it was loaded."""
    fresh = Kernel(function, "void (real *x, int64 n)")
    x = np.ones(1, dtype)
    fresh(dtype, address(x), 1)
    return x[0], fresh.for_dtype(dtype).is_loaded


@pytest.fixture
def cache(empty_cache):
    return empty_cache


def files(folder):
    return {file for file in folder.rglob("*") if file.is_file()}


def only_file(folder):
    (file,) = files(folder)
    return file


def test_a_kernel_is_cached(cache):
    assert compile_one() == (3.0, False)
    assert compile_one() == (3.0, True)


def change_sources(monkeypatch):
    monkeypatch.setattr(_cache, "sources_digest", lambda: "another version")


def change_processor(monkeypatch):
    own = CPUCodegen.magic_tuple
    monkeypatch.setattr(CPUCodegen, "magic_tuple", lambda self: (*own(self)[:2], "+another"))


def change_numba(monkeypatch):
    monkeypatch.setattr(_cache.numba, "__version__", "1000.0")


def change_python(monkeypatch):
    monkeypatch.setattr(_cache.sys, "version", "4.0")


CHANGES = [change_sources, change_processor, change_numba, change_python]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_from_or_for_something_else_has_an_entry_of_its_own(
    cache, monkeypatch, change
):
    compile_one()
    with monkeypatch.context() as other:
        change(other)
        assert compile_one() == (3.0, False)
        assert compile_one() == (3.0, True)
    assert compile_one() == (3.0, True)


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_made_from_or_for_something_else_is_not_loaded(cache, monkeypatch, change):
    with monkeypatch.context() as other:
        change(other)
        compile_one()
    foreign = only_file(cache)
    compile_one()
    (own,) = files(cache) - {foreign}
    own.write_bytes(foreign.read_bytes())
    assert compile_one() == (3.0, False)
    assert compile_one() == (3.0, True)


@pytest.mark.parametrize("other", [(_halve, "float64"), (_triple, "float32")])
def test_swapped_files_are_compiled_again(cache, other):
    kernels = {(_triple, "float64"): 3.0, other: compile_one(*other)[0]}
    compile_one()
    one, two = files(cache)
    swapped = two.read_bytes(), one.read_bytes()
    one.write_bytes(swapped[0])
    two.write_bytes(swapped[1])
    for kernel, result in kernels.items():
        assert compile_one(*kernel) == (result, False)
        assert compile_one(*kernel) == (result, True)


_factor = 0


def _multiply(x, n):
    for i in range(n):
        x[i] *= _factor


def test_copies_of_a_template_in_two_modules_are_two_kernels(cache):
    def copy(module, factor):
        function = FunctionType(_multiply.__code__, {**globals(), "_factor": factor})
        function.__module__ = module
        return function

    assert compile_one(copy("one", 5.0)) == (5.0, False)
    assert compile_one(copy("two", 7.0)) == (7.0, False)
    assert compile_one(copy("one", 5.0)) == (5.0, True)


def test_a_changed_constant_is_seen(cache):
    def copy(factor):
        return FunctionType(_multiply.__code__, {**globals(), "_factor": factor}, "_multiply")

    assert compile_one(copy(5.0)) == (5.0, False)
    assert compile_one(copy(7.0)) == (7.0, False)
    assert compile_one(copy(5.0)) == (5.0, True)


RULE = "def rule(y, raw, p):\n    return {factor} * helper(raw), raw, raw\n"
HELPER = "FACTOR = {factor}\ndef helper(raw):\n    return FACTOR * raw\n"


@pytest.mark.parametrize("on_disk", [True, False])
def test_an_edited_rule_or_helper_in_a_users_files_is_seen(cache, tmp_path, on_disk):
    # The template stands in our file, and its copy goes by the user's names.
    def run(name, source, factor, **helpers):
        source = source.format(factor=factor)
        file = tmp_path / f"{name}.py"
        if on_disk:
            file.write_text(source)
        namespace = {"__name__": name, **helpers}
        exec(compile(source, file if on_disk else "<input>", "exec"), namespace)
        return inline(namespace[name])

    def evaluate(rule_factor, helper_factor):
        helper = run("helper", HELPER, helper_factor)
        kernel = Separable(run("rule", RULE, rule_factor, helper=helper)).kernels(()).evaluate
        one, out = np.ones(1), np.zeros(1)
        total = kernel("float64", *3 * [address(one)], address(out), 1, 1, 1.0, 0)
        return total, kernel.for_dtype("float64").is_loaded

    assert evaluate(2.0, 1.0) == (2.0, False)
    assert evaluate(2.0, 1.0) == (2.0, True)
    assert evaluate(5.0, 1.0) == (5.0, False)
    assert evaluate(2.0, 3.0) == (6.0, False)
    assert evaluate(5.0, 1.0) == (5.0, True)


class Factor(Enum):
    """Numba knows it, while nothing says whether it has changed."""

    FIVE = 5.0


def _multiply_by_member(x, n):
    for i in range(n):
        x[i] *= Factor.FIVE.value


def test_what_has_no_digest_is_not_cached(cache):
    for _ in range(2):
        assert compile_one(_multiply_by_member) == (5.0, False)
    assert files(cache) == set()


def _flip(where):
    def damage(content):
        i = int(where * len(content))
        return content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :]

    return damage


DAMAGES = {
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "half": lambda content: content[: len(content) // 2],
    "last byte lost": lambda content: content[:-1],
    "text": lambda content: b"not machine code",
    "another object": lambda content: content[:32] + b"\x80\x04K\x01.",
    **{f"flipped at {where}": _flip(where) for where in (0, 0.05, 0.3, 0.5, 0.7, 0.95)},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_compiled_again(cache, damage):
    compile_one()
    file = only_file(cache)
    file.write_bytes(damage(file.read_bytes()))
    assert compile_one() == (3.0, False)
    assert compile_one() == (3.0, True)


def test_nothing_is_unpickled(cache, monkeypatch):
    compile_one()
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.delattr(pickle, name)
    assert compile_one() == (3.0, True)


def test_a_missing_file_is_compiled_again(cache):
    compile_one()
    only_file(cache).unlink()
    assert compile_one() == (3.0, False)
    assert compile_one() == (3.0, True)


def fail_to_write(*arguments, **keywords):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["touch", "write_bytes", "replace"])
def test_a_full_disk_costs_time_only(cache, monkeypatch, step):
    compile_one()
    file = only_file(cache)
    file.write_bytes(b"damaged")
    monkeypatch.setattr(Path, step, fail_to_write)
    assert compile_one() == (3.0, False)
    assert only_file(cache) == file
    assert file.read_bytes() == b"damaged"


@pytest.fixture
def owners(monkeypatch):
    """``owners[path] = uid`` changes who owns a file or folder; needs no superuser."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows keeps its permissions elsewhere")
    _cache._warn.cache_clear()
    owners = {}

    def judge(status, or_sticky=False):
        for path, uid in owners.items():
            if os.path.samestat(path.stat(), status):
                status = os.stat_result([*status[:4], uid, *status[5:]])
        return fault(status, or_sticky)

    fault = _cache._fault
    monkeypatch.setattr(_cache, "_fault", judge)
    return owners


@pytest.mark.filterwarnings("ignore:sknn_opt compiles its kernels anew")
@pytest.mark.parametrize("which", ["the kernels' folder", "the one above"])
@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [
        (0o777, None, "can be written to by every user"),
        (0o757, None, "can be written to by every user"),
        (0o700, 12345, "belongs to another user"),
        (0o1777, 12345, "belongs to another user"),
    ],
)
def test_a_folder_that_others_may_write_to_is_left_alone(cache, owners, which, mode, owner, reason):
    compile_one()
    content = only_file(cache).read_bytes()
    folder = only_file(cache).parent if which == "the kernels' folder" else cache
    folder.chmod(mode)
    if owner is not None:
        owners[folder] = owner
    with pytest.warns(UserWarning, match=f"{folder} {reason}.* NUMBA_CACHE_DIR"):
        assert compile_one() == (3.0, False)
    assert compile_one(_halve) == (0.5, False)
    assert only_file(cache).read_bytes() == content


def test_it_is_warned_of_once(cache, owners, recwarn):
    cache.chmod(0o777)
    compile_one()
    compile_one(_halve)
    assert [str(warning.message).count(str(cache)) for warning in recwarn] == [1]


def test_a_folder_in_a_sticky_one_is_safe_but_not_the_sticky_one(cache, owners):
    compile_one()
    cache.chmod(0o1777)
    assert compile_one() == (3.0, True)
    only_file(cache).parent.chmod(0o1777)
    with pytest.warns(UserWarning, match="can be written to by every user"):
        assert compile_one() == (3.0, False)


def test_folders_above_the_sources_are_no_concern(cache, owners):
    source = cache / "package" / "module.py"
    folder = cache / "package" / "__pycache__"
    folder.mkdir(parents=True)
    owners[cache] = owners[folder.parent] = 12345
    assert _cache._distrust(folder, source) is None
    assert _cache._distrust(folder, Path("/elsewhere/module.py")) is not None


def test_a_file_of_another_user_is_compiled_again(cache, owners):
    compile_one()
    owners[only_file(cache)] = 12345
    assert compile_one() == (3.0, False)


def test_only_its_owner_may_write_to_a_file(cache):
    compile_one(_halve)  # makes the folder
    before = files(cache)
    umask = os.umask(0)
    try:
        compile_one()
    finally:
        os.umask(umask)
    (written,) = files(cache) - before
    assert written.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("owner", "group", "members", "is_own"),
    [
        ("anna", "anna", [], True),
        ("anna", "anna", ["ben"], False),
        ("anna", "staff", [], False),
        ("root", "root", [], False),
    ],
)
def test_only_a_group_of_its_own_may_write(monkeypatch, owner, group, members, is_own):
    grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")
    uid = 0 if owner == "root" else os.geteuid() or 12345
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((group, "x", gid, members)))
    monkeypatch.setattr(
        pwd, "getpwuid", lambda uid: pwd.struct_passwd((owner, "x", uid, 7, "", "/", "/bin/sh"))
    )
    status = os.stat_result([0o40775, 1, 1, 1, uid, 7, 0, 0, 0, 0])
    assert _cache._fault(status) == (None if is_own else "can be written to by its group")
