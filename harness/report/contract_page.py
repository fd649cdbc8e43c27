"""Writes `docs/contract.md` from the requirements: `python -m chatproof.harness.report.contract_page`."""

from __future__ import annotations

import sys

from chatproof.harness.common.child_process import ROOT
from chatproof.harness.protocol.requirements import Contract, Requirement, contract

PAGE = ROOT / "docs" / "contract.md"

INTRODUCTION = """\
# The contract

What a conforming server does, row by row. This page is made from
[`harness/protocol/requirements.toml`](../harness/protocol/requirements.toml) by
`python -m chatproof.harness.report.contract_page`; change the rows there.

**MUST** rows decide the verdict. **SHOULD** rows are reported, and count with `--strict`. Rows marked **P**
need the fake providers behind the server (`--start`, or `--provider-url`); without them they are "not applicable".
A row applies when the server declares its profile (`--profile`).

Each row says how the suite tests it and what servers that break it typically do. "Three tries" stand where a busy
machine could spoil a measurement: a server that is at fault fails each of them.
"""


def page(rows: Contract) -> str:
    """The page's whole text."""
    parts = [INTRODUCTION]
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(f"## {group}: {rows.titles[group]}\n")
        parts += [_entry(row) for row in rows.group(group)]
    return "\n".join(parts)


def _entry(row: Requirement) -> str:
    level = f"{row.level} **P**" if row.needs_provider else row.level.value
    lines = [f"### {row.id}", f"{level} · {' + '.join(row.profiles)}", "", row.text, ""]
    told = (("Why", row.why), ("Tested", row.how), ("Not tested", row.excluded), ("Typical fault", row.typical))
    lines += [f"- *{name}:* {text}" for name, text in told if text]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(contract()), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
