"""Known failures are reported but do not fail the run; a known failure that now passes does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import PROVIDERS
from chatproof.harness.common.toml_file import read_toml
from chatproof.harness.protocol.requirements import Contract
from chatproof.harness.report.verdicts import BAD, Row, Verdict

KEYS = ("reason", "provider", "flaky")


@dataclass(frozen=True, slots=True)
class Known:
    """One known failure. `providers`: only with these; empty: with any. `flaky`: it passes now and then, so that
    passing is no news."""

    id: str
    reason: str
    providers: tuple[str, ...] = ()
    flaky: bool = False

    def speaks_of(self, row: Row) -> bool:
        return row.requirement.id == self.id and (not self.providers or row.provider in self.providers)


@dataclass(frozen=True, slots=True)
class Baseline:
    """All known failures, and the file that names them."""

    path: Path | None = None
    known: tuple[Known, ...] = ()

    @classmethod
    def read(cls, path: Path | None, contract: Contract) -> Baseline:
        """Read a baseline: tables `[known."ERR-06"]` with a `reason`, and perhaps `provider` and `flaky`.

        Raises:
            ChatproofError: it cannot be read, or says something that makes no sense; one line.
        """
        if path is None:
            return cls()
        document = read_toml(path, "--baseline")
        table = document.pop("known", {})
        if document or not isinstance(table, dict):
            other = next(iter(document), "known")
            raise ChatproofError(f'{path}: {other!r} is not known here; failures stand in tables [known."ID"]')
        return cls(path, tuple(_known(path, name, entry, contract) for name, entry in table.items()))

    def applied(self, rows: Iterable[Row]) -> list[Row]:
        """The rows, each known failure marked with its reason."""
        return [self._marked(row) for row in rows]

    def _marked(self, row: Row) -> Row:
        if row.verdict not in BAD:
            return row
        reason = next((one.reason for one in self.known if one.speaks_of(row)), None)
        return replace(row, known=reason) if reason else row

    def passing(self, rows: Iterable[Row]) -> list[Known]:
        """Known failures that were judged and now pass."""
        rows, found = list(rows), []
        for one in self.known:
            verdicts = {row.verdict for row in rows if one.speaks_of(row)}
            if not one.flaky and Verdict.PASSED in verdicts and not verdicts & {*BAD, Verdict.HARNESS_ERROR}:
                found.append(one)
        return found

    def stale(self, rows: Iterable[Row]) -> list[str]:
        """A line for each known failure that was judged and now passes."""
        lines = []
        for one in self.passing(rows):
            behind = f" with {' and '.join(one.providers)}" if one.providers else ""
            lines.append(f"{one.id} passes{behind}, but is a known failure in {self.path}: remove it")
        return lines


def _known(path: Path, name: str, entry: Any, contract: Contract) -> Known:
    where = f'{path}: [known."{name}"]'
    if name not in contract:
        near = get_close_matches(name.upper(), contract.rows, n=1)
        raise ChatproofError(f"{where}: no row has this id" + (f"; did you mean {near[0]}?" if near else ""))
    if not isinstance(entry, dict):
        raise ChatproofError(f'{where} is not a table; write [known."{name}"] and under it reason = "…"')
    for key in entry:
        if key not in KEYS:
            raise ChatproofError(f"{where}: unknown key {key!r}; known: {', '.join(KEYS)}")
    reason, provider, flaky = entry.get("reason"), entry.get("provider"), entry.get("flaky", False)
    if not isinstance(reason, str) or not reason.strip():
        raise ChatproofError(f"{where} has no reason")
    providers = [] if provider is None else provider if isinstance(provider, list) else [provider]
    for one in providers:
        if one not in PROVIDERS:
            raise ChatproofError(f"{where}: provider {one!r} is not one of {', '.join(PROVIDERS)}")
    if provider == []:
        raise ChatproofError(f"{where}: provider names none; leave it out for all of them")
    if providers and not contract[name].is_judged_with_each:
        raise ChatproofError(f"{where}: the row is judged once for all providers; leave `provider` out")
    if not isinstance(flaky, bool):
        raise ChatproofError(f"{where}: flaky is true or false")
    return Known(name, reason.strip(), tuple(providers), flaky)
