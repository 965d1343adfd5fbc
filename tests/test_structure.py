"""The shape of the source: no file, no function and no import that outgrows its place."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

import sknn_opt

PACKAGE = Path(sknn_opt.__file__).parent
FILES = {str(file.relative_to(PACKAGE)): file for file in sorted(PACKAGE.rglob("*.py"))}

MOST_LINES_IN_A_FILE = 400
MOST_LINES_IN_A_FUNCTION = 40

_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef
_WITH_DOCSTRING = ast.Module | ast.ClassDef | _DEFINITIONS
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source):
    """Numbers of the lines that hold code: docstrings and other texts of many lines aside."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            last = token.start[0] if token.type == tokenize.STRING else token.end[0]
            lines.update(range(token.start[0], last + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node) is not None:
            lines.discard(node.body[0].lineno)
    return lines


def long_functions(source):
    """Name and length of each function that is too long; a constructor is its signature."""
    lines = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DEFINITIONS) and node.name != "__init__":
            length = len(lines.intersection(range(node.lineno, node.end_lineno + 1)))
            if length > MOST_LINES_IN_A_FUNCTION:
                yield f"{node.name}: {length}"


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_too_long(name):
    assert len(code_lines(FILES[name].read_text())) <= MOST_LINES_IN_A_FILE


@pytest.mark.parametrize("name", FILES)
def test_no_backslash_of_a_formula_has_become_a_control_character(name):
    source = FILES[name].read_text()
    assert not [c for c in source if c != "\n" and not c.isprintable()]


@pytest.mark.parametrize("name", FILES)
def test_no_function_is_too_long(name):
    assert not list(long_functions(FILES[name].read_text()))
