"""The reference server is to be read in one sitting."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from chatproof.reference_server import generation

MOST = 1200
FOLDER = Path(generation.__file__).parent
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: no blank ones, comments or docstrings."""
    lines = {
        number
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in SILENT
        for number in range(token.start[0], token.end[0] + 1)
    }
    return lines - set(docstring_lines(source))


def docstring_lines(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(ast.Constant(str())) as text, *_]:
                    yield from range(text.lineno, (text.end_lineno or text.lineno) + 1)


def test_lines_are_counted_right() -> None:
    source = '"""Two\nlines."""\n\n# why\nx = (\n    1,\n)\n\n\ndef f():\n    """Doc."""\n    return """a\nb"""\n'
    assert code_lines(source) == {5, 6, 7, 10, 12, 13}


def test_the_server_stays_small() -> None:
    """Without its page and the module that serves the page."""
    modules = [path for path in sorted(FOLDER.rglob("*.py")) if path.name != "pages.py"]
    counts = {
        path.relative_to(FOLDER).as_posix(): len(code_lines(path.read_text(encoding="utf-8"))) for path in modules
    }
    assert sum(counts.values()) < MOST, counts
