"""Writes `docs/contract.md` from the requirements: `python -m chatproof.harness.report.contract_page`."""

from __future__ import annotations

import sys

from chatproof.harness.common.child_process import ROOT
from chatproof.harness.protocol.requirements import Contract, Requirement, contract

PAGE = ROOT / "docs" / "contract.md"

INTRODUCTION = """\
# The contract

What a conforming server does, row by row. This page is generated from
[`harness/protocol/requirements.toml`](../harness/protocol/requirements.toml) by
`python -m chatproof.harness.report.contract_page`. To change a row, change it there.

- A **MUST** row decides the verdict. A **SHOULD** row is reported, and fails a run only with `--strict`.
- A row marked **P** needs the fake providers behind the server (`--start`, or `--provider-url`). Without them the row
  is "not applicable", unless it says what is judged without the provider.
- A row applies to a server that declares the row's profile (`--profile`).

Each row says how the suite tests it, and what servers that break it typically do. "Up to three tries" means that a
busy machine could spoil the measurement: the row is violated only if every try fails. "Odd text" is text that looks
like framing, or text in many writing systems. "The journal" is the fake provider's record of requests, write times and
closed connections. "Upstream" means in a request to the provider. A "case id" is a word in a message by which the suite
finds the provider requests for that message.
"""


def page(rows: Contract) -> str:
    parts = [INTRODUCTION]
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(f"## {group}: {rows.titles[group]}\n")
        parts += [_entry(row) for row in rows.group(group)]
    return "\n".join(parts)


def _entry(row: Requirement) -> str:
    level = f"{row.level} **P**" if row.needs_provider else row.level.value
    lines = [f"### {row.id}", f"{level} · {' + '.join(row.profiles)}", "", row.text, ""]
    told = (
        *(("Why", row.why), ("Tested", row.how), ("Without the provider", row.black_box)),
        *(("Not tested", row.excluded), ("Typical fault", row.typical)),
    )
    lines += [f"- *{name}:* {text}" for name, text in told if text]
    return "\n".join(lines) + "\n"


def main() -> int:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(contract()), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
