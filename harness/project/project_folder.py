"""A project's files, read within bounds: a folder may hold anything, and most of it is not the server's source."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

MOST_FILES, LARGEST = 400, 256 * 1024  # source files that are looked at; bytes of each
MOST_FOLDERS, DEEPEST = 2_000, 6  # folders that are entered; levels below the project
SOURCES: Final = frozenset(
    (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx", ".py", ".go", ".vue", ".svelte")
)
_SKIPPED: Final = frozenset(
    (
        *("node_modules", "venv", "env", "dist", "build", "out", "target", "vendor", "coverage", "__pycache__"),
        *("test", "tests", "__tests__", "spec", "e2e", "docs", "examples", "fixtures", "migrations", "public"),
    )
)
_TEST: Final = re.compile(r"(?:^|[._-])(?:test|spec)s?[._-]|^conftest\.py$|\.d\.ts$")


@dataclass(frozen=True, slots=True)
class Guess:
    """Something that was guessed, and from what: a file, with a line where there is one."""

    value: str
    source: str


class ProjectFolder:
    """The files of a folder. Files that cannot be read, or are too large, are not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether a file or a folder is there."""
        return (self.folder / name).exists()

    def text(self, name: str) -> str:
        """A file's text; empty where it is not there."""
        path = self.folder / name
        try:
            if not path.is_file() or path.stat().st_size > LARGEST:
                return ""
            return path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError:
            return ""

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object; empty where there is none."""
        try:
            value = json.loads(self.text(name) or "{}")
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML document; empty where there is none."""
        try:
            return tomllib.loads(self.text(name))
        except (tomllib.TOMLDecodeError, RecursionError):
            return {}

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The text of each source file by its path, those nearest to the top first. Tests are left out."""
        names = sorted(self._names(), key=lambda name: (name.count("/"), name))[:MOST_FILES]
        return {name: text for name in names if (text := self.text(name))}

    def _names(self) -> Iterator[str]:
        for entered, (where, folders, files) in enumerate(os.walk(self.folder)):
            inside = Path(where).relative_to(self.folder)
            deep = entered > MOST_FOLDERS or len(inside.parts) >= DEEPEST
            folders[:] = [] if deep else sorted(one for one in folders if one not in _SKIPPED and one[0] != ".")
            for name in files:
                if Path(name).suffix in SOURCES and not _TEST.search(name):
                    yield (inside / name).as_posix()

    def find(self, pattern: str) -> tuple[re.Match[str], str] | None:
        """The first match in the sources, and where it is: `server.js:12`."""
        compiled = re.compile(pattern, re.MULTILINE)
        for name, text in self.sources.items():
            if found := compiled.search(text):
                return found, f"{name}:{text.count(chr(10), 0, found.start()) + 1}"
        return None


def plain(value: Any) -> dict[str, Any]:
    """The value where it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}
