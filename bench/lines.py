"""`python -m bench lines`: how many lines of code the product has."""

from __future__ import annotations

import ast
import io
import os
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.report import table

ROOT: Final = Path(__file__).parent.parent
FOLDERS: Final = ("chatproof", "harness", "fake_providers", "reference_server", "conformance", "loadtests")
_TOP: Final = "chatproof*.py"  # before there was one package, the pytest plugin was a file at the top
_NO_CODE: Final = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


@dataclass(slots=True)
class Count:
    """Files and lines of one folder. `code` has the lines of code by language; `all_lines` has every line."""

    files: int = 0
    all_lines: int = 0
    code: dict[str, int] = field(default_factory=dict)

    def add(self, language: str, text: str) -> None:
        self.files += 1
        self.all_lines += len(text.splitlines())
        self.code[language] = self.code.get(language, 0) + len(_LANGUAGES[language](text))

    def __add__(self, other: Count) -> Count:
        names = {**self.code, **other.code}
        code = {name: self.code.get(name, 0) + other.code.get(name, 0) for name in names}
        return Count(self.files + other.files, self.all_lines + other.all_lines, code)


def run(checkout: Path) -> int:
    """Print the table. 0, or 2 where the folder is no checkout of this project."""
    counts = count(checkout)
    if not counts:
        sys.stderr.write(f"{checkout} holds none of the folders {', '.join(FOLDERS)}\n")
        return 2
    rows = [["folder", "files", *_LANGUAGES, "code", "all lines"]]
    for name, one in {**counts, "sum": sum(counts.values(), Count())}.items():
        each = [one.code.get(language, 0) for language in _LANGUAGES]
        rows.append([name, *(f"{number:,}" for number in (one.files, *each, sum(each), one.all_lines))])
    sys.stdout.write(f"{table(rows)}\n")
    return 0


def count(checkout: Path) -> dict[str, Count]:
    """The counts of a checkout's product folders, by folder. Links to folders are not followed."""
    counts: dict[str, Count] = {}
    for name, path in _files(checkout):
        if language := _SUFFIXES.get(path.suffix):
            counts.setdefault(name, Count()).add(language, path.read_text(encoding="utf-8"))
    return counts


def _files(checkout: Path) -> Iterator[tuple[str, Path]]:
    for name in FOLDERS:
        for folder, _, files in os.walk(checkout / name):
            yield from ((name, Path(folder, file)) for file in sorted(files))
    yield from ((path.name, path) for path in sorted(checkout.glob(_TOP)))


def python_code(source: str) -> set[int]:
    """The numbers of the lines that hold code: no blank line, comment or docstring."""
    lines = {
        number
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _NO_CODE
        for number in range(token.start[0], token.end[0] + 1)
    }
    return lines - set(_docstrings(source))


def _docstrings(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(ast.Constant(str())) as text, *_]:
                    yield from range(text.lineno, (text.end_lineno or text.lineno) + 1)


def toml_code(source: str) -> set[int]:
    """The numbers of the lines that are neither blank nor a comment; all lines of a multi-line string count."""
    lines: set[int] = set()
    is_text = False
    for number, line in enumerate(source.splitlines(), 1):
        if is_text or (line.strip() and not line.lstrip().startswith("#")):
            lines.add(number)
            is_text ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return lines


def javascript_code(source: str) -> set[int]:
    """The numbers of the lines that are neither blank nor in a comment that begins its line."""
    lines: set[int] = set()
    is_comment = False
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip()
        is_comment = is_comment or text.startswith("/*")
        if text and not is_comment and not text.startswith("//"):
            lines.add(number)
        is_comment = is_comment and "*/" not in text
    return lines


_LANGUAGES: Final[dict[str, Callable[[str], set[int]]]] = {
    "Python": python_code,
    "TOML": toml_code,
    "JavaScript": javascript_code,
}
_SUFFIXES: Final = {".py": "Python", ".toml": "TOML", ".js": "JavaScript", ".mjs": "JavaScript"}
