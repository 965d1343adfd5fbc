"""What README.md and CONTRIBUTING.md say is so."""

import re
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("one_blas_thread")

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_python_code_runs_and_prints_what_it_says(name, capsys):
    text = (ROOT / name).read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, name, "exec"), {"__name__": "readme"})
    promised = [float(number) for number in re.findall(r"print\(.*# (\S+)$", code, re.MULTILINE)]
    printed = [float(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == pytest.approx(promised, abs=0.01)


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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    linked = [target for target in re.findall(r"\]\((.*?)\)", text) if "://" not in target]
    run = re.findall(r"^python (\S+\.py)", text, re.MULTILINE)
    missing = [target for target in linked + run if not (ROOT / target).exists()]
    assert not missing


def test_python_version_is_that_of_the_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or later" in README
