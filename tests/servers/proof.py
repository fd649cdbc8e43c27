"""Writes `docs/proof.md`, what each row of the contract is known to catch: `python -m tests.servers.proof`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping

from chatproof.harness.common.child_process import ROOT
from chatproof.harness.protocol.requirements import Requirement, contract
from tests.servers.broken import FAULTS
from tests.servers.legal import VARIANTS

PAGE = ROOT / "docs" / "proof.md"
COMMAND = "python -m tests.servers.proof"

INTRODUCTION = f"""\
# What a green row is worth

The suite itself is tested against servers whose faults are known, and against odd servers that keep the contract. They
stand in `tests/servers/`, each as a class that changes one thing of a plain server, and `make test` has every one
judged by the suite: a broken server must turn exactly the rows red that are named here, and an odd one none.

This page is generated from those servers by `{COMMAND}`; the tests fail where it differs from them, and where a row has
no broken server. The numbers of the rows are those of [the contract](contract.md).
"""


def of_row(row: str) -> list[str]:
    """Broken servers that a row must catch, those that it alone must catch first."""
    found = [name for name, fault in FAULTS.items() if row in fault.must]
    return sorted(found, key=lambda name: (len(FAULTS[name].must), name))


def passing(row: Requirement) -> list[str]:
    """Legal variants that are asked for by that row's id or group; those that are judged by nearly all rows are not."""
    return sorted(name for name, odd in VARIANTS.items() if {row.id, row.group} & {*odd.only, *odd.also.split()})


def page() -> str:
    rows = [row for row in contract() if not row.excluded]
    parts = [INTRODUCTION, "## Row by row\n", *_rows(rows)]
    parts += ["## The broken servers\n", *_servers({name: fault.server for name, fault in FAULTS.items()}, "Caught by")]
    first, newest = (_judged_whole(revision) for revision in (1, contract().revision))
    judged = f"Judged by all rows but those that only wait: {newest}; by all of the first revision: {first}.\n"
    parts += ["## The odd servers that pass\n", judged]
    parts += _servers({name: odd.server for name, odd in VARIANTS.items()}, "Judged by")
    return "\n".join(parts)


def _judged_whole(revision: int) -> str:
    return ", ".join(sorted(name for name, odd in VARIANTS.items() if not odd.only and odd.contract == revision))


def _rows(rows: list[Requirement]) -> Iterable[str]:
    for group in dict.fromkeys(row.group for row in rows):
        yield f"### {group}: {contract().titles[group]}\n"
        yield "| Row | Red for | Green for, beside those of all rows |\n|---|---|---|"
        for row in rows:
            if row.group == group:
                yield f"| {row.id} | {', '.join(of_row(row.id))} | {', '.join(passing(row))} |"
        yield ""


def _servers(servers: Mapping[str, type], judged: str) -> Iterable[str]:
    yield f"| Server | What it does | {judged} |\n|---|---|---|"
    for name, server in sorted(servers.items()):
        caught = sorted(FAULTS[name].must) if name in FAULTS else VARIANTS[name].only
        ids = " ".join(caught) or "all rows"
        yield f"| {name} | {_told(server)} | {ids} |"
    yield ""


def _told(server: type) -> str:
    """Its class's name as words, and the first paragraph of its own docstring, on one line."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", server.__name__).lower()
    own = inspect.cleandoc(server.__dict__.get("__doc__") or "").partition("\n\n")[0]
    return f"{name}: {' '.join(own.split())}".removesuffix(": ").replace("|", "\\|")


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
