"""Writes `docs/options.md` from the table of options: `python -m chatproof.harness.report.options_page`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chatproof.harness.common.options import GROUPS, Option, ValueKind

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "options.md"
INTRODUCTION: Final = """\
# Options of `chatproof check`

Generated from `harness/common/options.py` by `python -m chatproof.harness.report.options_page`. To change an option,
change it there.

Each option is also a key of `chatproof.toml`, or of `[tool.chatproof]` in `pyproject.toml`, except where a dash stands.
Paths in a file are relative to that file. Options on the command line override the file. A switch takes no value on the
command line, and `true` or `false` in a file. pytest's own options work too: `-v`, `-x`, `-n 2`, `--junit-xml FILE`.
"""


def page() -> str:
    parts = [INTRODUCTION]
    for group in GROUPS:
        title = group.title[0].upper() + group.title[1:]
        parts.append(f"## {title}\n\n| option | key | a value is | what it does | default |\n|---|---|---|---|---|\n")
        parts[-1] += "".join(f"| {' | '.join(_cells(option))} |\n" for option in group.options)
    return "\n".join(parts)


def _cells(option: Option) -> Iterator[str]:
    flag = option.flags[-1 if option.is_plural else 0]
    yield f"`{option.flags[0]} {option.metavar}`" if option.metavar else f"`{flag}`"
    yield f"`{option.key}`" if option.is_key else "-"
    yield "a switch" if option.kind is ValueKind.SWITCH else option.kind.value
    yield option.help
    yield option.shown_default or ("off" if option.kind is ValueKind.SWITCH else "none")


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
