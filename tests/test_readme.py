"""What README.md and CONTRIBUTING.md say is so."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from sknn_opt._network.layout import Layout, describe
from sknn_opt.kernels import address

pytestmark = pytest.mark.usefixtures("one_blas_thread")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
URLS = PROJECT["urls"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_python_code_runs_and_prints_what_it_says(name, capsys):
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, name, "exec"), {"__name__": "readme"})
    promised = [float(number) for number in re.findall(r"print\(.*# (\S+)$", code, re.MULTILINE)]
    printed = [float(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == pytest.approx(promised, abs=0.01)


def contributed(name):
    """What the Python code of CONTRIBUTING.md defines under a name, and the lines of the block."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (block,) = (block for block in blocks if f"class {name}(" in block)
    namespace = {"__name__": "contributing"}
    exec(compile(block, "CONTRIBUTING.md", "exec"), namespace)
    return namespace[name], block.partition("@inline\n")[2].splitlines()


def adan(theta, gradients, lr, b1, b2, b3, epsilon, weight_decay):
    """Adan in NumPy: algorithm 1 of the paper, with its code's corrections of the biases."""
    m = v = n = np.zeros_like(theta)
    last = gradients[0]
    for t, g in enumerate(gradients, 1):
        change = g - last
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * change
        n = b3 * n + (1 - b3) * (g + b2 * change) ** 2
        size = np.sqrt(n / (1 - b3**t)) + epsilon
        step = lr * (m / (1 - b1**t) + b2 * v / (1 - b2**t)) / size
        theta, last = (1 - lr * weight_decay) * theta - step, g
    return theta


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("parameters", [{}, {"beta_1": 0.5, "beta_2": 0.3, "weight_decay": 0.5}])
def test_the_optimizer_that_is_added_is_that_of_its_paper(dtype, parameters):
    Adan, lines = contributed("Adan")
    assert sum(bool(line.strip()) for line in lines) <= 25
    # Without intercepts' share in weight decay, one array of weights is all there is.
    layout = Layout(describe([3, 1], []))
    random = np.random.default_rng(0)
    start = random.normal(size=layout.stride).astype(dtype)
    start[layout.n_parameters :] = 0
    gradients = random.normal(size=(5, layout.stride)).astype(dtype)
    optimizer = Adan(**parameters)
    theta, state = start.copy(), optimizer.initial_state(layout, start)
    update = optimizer.kernels().plain
    for step, gradient in enumerate(gradients, 1):
        update(
            dtype, address(theta), address(gradient), address(state), layout.address, 0, 0.05, step,
            address(optimizer.kernel_parameters()), 0.0,
        )  # fmt: skip
    p = optimizer.get_params()
    betas = p["beta_1"], p["beta_2"], p["beta_3"], p["epsilon"]
    weights = adan(start, gradients, 0.05, *betas, p["weight_decay"])[:3]
    intercept = adan(start, gradients, 0.05, *betas, 0.0)[3]
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(theta[:3], weights, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(theta[3], intercept, rtol=tolerance, atol=tolerance)


def test_the_first_code_is_a_short_example():
    language, code = re.search(r"```(\w*)\n(.*?)```", README, re.DOTALL).groups()
    assert language == "python"
    assert "print(" in code
    assert len(code.splitlines()) == 10


@pytest.mark.parametrize(
    "command",
    ["pip install . && python examples/quickstart.py", 'pip install -e ".[test]" && pytest'],
)
def test_commands_stand_verbatim(command):
    assert f"\n{command}\n" in README


def test_continuous_integration_runs_the_readme_test_command():
    script = ROOT / ".ci" / "run"
    assert 'pip install -e ".[test]" && pytest' in script.read_text(encoding="utf-8")
    assert script.stat().st_mode & 0o111


def _file_of(target):
    """The file of this project that a link leads to; None where it leads elsewhere."""
    if target.startswith(f"{URLS['Documentation']}/"):
        page = target.removeprefix(f"{URLS['Documentation']}/").partition("#")[0]
        return f"docs/{page.removesuffix('.html')}.rst" if page else "docs/index.rst"
    if target.startswith(f"{URLS['Source']}/blob/main/"):
        return target.removeprefix(f"{URLS['Source']}/blob/main/")
    return None if "://" in target else target


def test_links_work_outside_the_repository():
    targets = re.findall(r"\]\((.*?)\)", README)
    assert targets
    assert all(target.startswith("https://") for target in targets)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    linked = [_file_of(target) for target in re.findall(r"\]\((.*?)\)", text)]
    linked = [target for target in linked if target is not None]
    run = re.findall(r"^python (\S+\.py)", text, re.MULTILINE)
    missing = [target for target in linked + run if not (ROOT / target).exists()]
    assert not missing


def test_python_version_is_that_of_the_metadata():
    assert PROJECT["requires-python"] == ">=3.11"
    assert "Python 3.11 or later" in README


def test_figures_stand_alike_in_the_readme_and_on_the_site():
    means = re.search(r"^\| geometric mean \|.*", README, re.MULTILINE)[0]
    over_sklearn, over_torch = re.findall(r"\| ([\d.]+) /", means)
    page = (ROOT / "docs" / "index.rst").read_text(encoding="utf-8")
    assert f"{over_sklearn} × faster" in page
    assert f"{over_torch} × faster than PyTorch" in page.replace("\n      ", " ")
    tabular = (ROOT / "docs" / "tabular.rst").read_text(encoding="utf-8")
    for name, words in {
        '``TabularMLPRegressor("fast")``': "times those of",
        '"auto"': "times with the default members",
    }.items():
        ratio = re.search(rf"\* - .*{re.escape(name)}\n +- (\.\d+)", tabular)[1]
        assert f"{float(ratio):.2f} {words}" in README
