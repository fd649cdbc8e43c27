"""What came of judging one server: the verdict of each row, and what the script of each violated row said."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

STANDS, CANNOT_TELL = 1, 2  # exit codes of a script: the fault stands; it failed itself


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A row of the contract. `level`, `verdict` and `seen` as in the JSON report of `chatproof check`."""

    id: str
    level: str
    verdict: str
    seen: str


@dataclass(frozen=True, slots=True)
class Shown:
    """How a script of `field/repro` ended, and the last line that it printed."""

    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One server. `name`: that of `PublicServer`; `date`: ISO 8601; `scripts`: by the row that they show."""

    name: str
    date: str
    suite: str
    versions: dict[str, str]
    rows: list[FieldRow]
    scripts: dict[str, Shown]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError or ValueError where there is no such record."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            rows = [FieldRow(**row) for row in found.pop("rows")]
            scripts = {row: Shown(**shown) for row, shown in found.pop("scripts").items()}
            return cls(rows=rows, scripts=scripts, **found)
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"{path}: not a record of a judged server: {problem!r}") from None

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def of(self, verdict: str) -> list[FieldRow]:
        """The rows with this verdict."""
        return [row for row in self.rows if row.verdict == verdict]

    def violated(self, exempt: Container[str]) -> list[FieldRow]:
        """The violated rows, but for those that do not apply to the server."""
        return [row for row in self.of("violated") if row.id not in exempt]
