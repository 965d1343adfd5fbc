import platform

import llvmlite.binding
import numpy as np
import pytest
from llvmlite import ir

from sknn_opt import MLPClassifier, MLPRegressor
from sknn_opt._compiler import subnormals as _subnormals
from sknn_opt._compiler.declarations import address, flush_subnormals, kernel, real, restore_control

DTYPES = ["float64", "float32"]

known_processor = pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64", "aarch64", "arm64"},
    reason="on this processor subnormal numbers stay",
)


@kernel("void (real *x)")
def halve(x):
    control = flush_subnormals()
    x[1] = x[0] * real(0.5)
    x[2] = x[1] + x[2]
    restore_control(control)
    x[3] = x[0] * real(0.5)


@known_processor
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_and_operands_are_flushed_until_control_is_restored(dtype):
    info = np.finfo(dtype)
    x = np.array([info.tiny, 1, info.smallest_subnormal, 1], dtype)
    halve(dtype, address(x))
    np.testing.assert_array_equal(x, np.array([info.tiny, 0, 0, info.tiny / 2], dtype))


def emitted(triple):
    """Assembly of a function that flushes and restores, for another processor."""
    llvmlite.binding.initialize_all_targets()
    llvmlite.binding.initialize_all_asmprinters()
    module = ir.Module("other")
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "flush_and_restore")
    builder = ir.IRBuilder(function.append_basic_block())
    _subnormals.write(builder, _subnormals.flush(builder))
    builder.ret_void()
    try:
        target = llvmlite.binding.Target.from_triple(triple)
    except RuntimeError:
        pytest.skip(f"this LLVM was built without {triple}")
    parsed = llvmlite.binding.parse_assembly(str(module))
    parsed.verify()
    return target.create_target_machine().emit_assembly(parsed).lower()


@pytest.mark.parametrize(
    ("triple", "reads", "writes"),
    [
        ("x86_64-unknown-linux-gnu", "stmxcsr", "ldmxcsr"),
        ("x86_64-pc-windows-msvc", "stmxcsr", "ldmxcsr"),
        ("aarch64-unknown-linux-gnu", "mrs", "msr"),
        ("arm64-apple-darwin", "mrs", "msr"),
    ],
)
def test_instructions(triple, reads, writes):
    code = [line.split()[0] for line in emitted(triple).splitlines() if line.strip()]
    assert code.count(reads) == 1
    assert code.count(writes) == 2


def test_unknown_processors_are_left_alone():
    for triple in ("powerpc64le-unknown-linux-gnu", "riscv64-unknown-linux-gnu"):
        builder = ir.IRBuilder(
            ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), []), "f").append_basic_block()
        )
        builder.module.triple = triple
        _subnormals.write(builder, _subnormals.flush(builder))
        assert {i.opname for i in builder.block.instructions} <= {"or"}


@pytest.fixture
def dead_inputs():
    """Half of the inputs are 0, and so are their gradients."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 8))
    X[:, ::2] = 0
    return X, X.sum(axis=1)


@known_processor
@pytest.mark.parametrize("dtype", DTYPES)
def test_averages_end_at_zero(dead_inputs, dtype):
    X, y = dead_inputs
    model = MLPRegressor(4, dtype=dtype, alpha=0, batch_size=1, beta_1=0.9, beta_2=0.999)
    for _ in range(400 if dtype == "float64" else 60):
        model.partial_fit(X, y)
        X = np.zeros_like(X)  # from the second epoch on, no gradient reaches the first layer
    averages = np.abs(model._optimizer_state_["vectors"])
    assert not np.any((averages > 0) & (averages < np.finfo(dtype).tiny))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_thread_that_fits_keeps_its_subnormal_numbers(dead_inputs, optimizer, dtype):
    X, y = dead_inputs
    parameters = {"hidden_layer_sizes": 4, "optimizer": optimizer, "dtype": dtype, "max_iter": 2}
    # The last batch, whose samples weigh nothing, is left out.
    weight = (np.arange(20) < 15).astype(float)
    MLPClassifier(**parameters, batch_size=5, shuffle=False).fit(X, y > 0, sample_weight=weight)
    for number in (np.float64(5e-324), np.float32(1e-45)):
        assert number * number.dtype.type(1) > 0
        assert np.finfo(number.dtype).smallest_subnormal + 0 > 0
        assert np.all(np.full(9, number) * number.dtype.type(1) > 0)
