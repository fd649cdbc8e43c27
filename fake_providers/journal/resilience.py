"""What a client did wrong when its provider failed, as far as the journal of the fakes can tell.

Each rule is a pure function over entries. It yields a Finding for each fault of the client, and None for each occasion
that the client handled well: a rule without an occasion has shown nothing. What no journal can tell is in
docs/fake-providers.md.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, get_args

from chatproof.fake_providers.journal import reading_rules, retry_rules
from chatproof.fake_providers.journal.client_faults import ClientFault, Finding, Observed, Rule

_SHOWN: Final = 2

RULES: Final[dict[ClientFault, Rule]] = {
    "retry-after-ignored": retry_rules.ignored_waits,
    "retried-against-advice": retry_rules.retried_against_advice,
    "retry-storm": retry_rules.retry_storms,
    "refusal-retried": retry_rules.retried_refusals,
    "cut-off-taken-for-whole": reading_rules.cut_offs_taken_for_whole,
    "stream-left-open": reading_rules.streams_left_open,
    "no-read-timeout": reading_rules.missing_read_timeouts,
}


@dataclass(frozen=True, slots=True)
class Resilience:
    """`tried`: how many occasions each rule had, with its findings counted."""

    findings: list[Finding]
    tried: dict[ClientFault, int]

    @property
    def shown(self) -> list[Finding]:
        """The first two findings of each fault: the others say the same again."""
        return [one for fault in RULES for one in [one for one in self.findings if one.fault == fault][:_SHOWN]]

    def to_json(self) -> dict[str, Any]:
        """The findings, each with the ids of its requests, and what was tried."""
        texts = ("fault", "seen", "expected", "cause")
        findings = [
            {**{name: getattr(one, name) for name in texts}, "requests": [entry.id for entry in one.entries]}
            for one in self.findings
        ]
        return {"findings": findings, "tried": self.tried}

    def __str__(self) -> str:
        lines = [f"{number}. {finding}" for number, finding in enumerate(self.shown, start=1)]
        more = len(self.findings) - len(self.shown)
        return "\n".join([*lines, f"({more} more findings of these kinds)"] if more else lines)


def judge(observed: Observed, ignore: Collection[str] = ()) -> Resilience:
    """Apply all rules but those whose faults are to be ignored. ValueError for a fault that does not exist."""
    if unknown := sorted(set(ignore) - set(get_args(ClientFault))):
        raise ValueError(f"there is no fault {', '.join(unknown)}; there are: {', '.join(get_args(ClientFault))}")
    seen = {fault: list(rule(observed)) for fault, rule in RULES.items() if fault not in ignore}
    findings = [one for found in seen.values() for one in found if one is not None]
    return Resilience(findings, {fault: len(found) for fault, found in seen.items()})
