"""What the suite knows of one lane: plain values, which may come from another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import Contract
from chatproof.harness.report.crash import Crash
from chatproof.harness.report.situation_tally import SituationTally
from chatproof.harness.report.verdicts import Record, Verdict

NOT_RUN = "not run: the run ended before this row's test"
INSTEAD = "a reply goes on when its client leaves (profile resume); the RES rows judge that"
NO_FAKES = "needs the fake providers behind the server (--start, or --provider-url)"


@dataclass(slots=True)
class LaneState:
    """`name` is the provider's, `has_provider` whether the fakes are there, `missing` that they should be and are not.

    `no_provider` says why they are not, and `advice` what to do then; `unfit` why there is no chat server at all;
    `stopped` why no more tests are run. `by_hand` starts the server as the suite did, from a shell. `unseen` holds the
    profiles that nobody declared and the server does not show, each with what was seen; `set_aside` says why nothing is
    judged with a provider that nobody declared. `error_line` is the line of the server's own output that names an
    error, once the lane is closed. `crashes`: those of the server. `situations`: what became of each covering array.
    """

    name: str
    url: str = ""
    by_hand: str = ""
    has_provider: bool = False
    missing: bool = False
    no_provider: str = NO_FAKES
    advice: str = ""
    unfit: str = ""
    stopped: str = ""
    unseen: dict[str, str] = field(default_factory=dict)
    set_aside: str = ""
    error_line: str = ""
    crashes: list[Crash] = field(default_factory=list)
    situations: dict[str, SituationTally] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LaneState:
        """What `asdict` made of one."""
        situations = {name: SituationTally(**tally) for name, tally in data["situations"].items()}
        crashes = [Crash(**crash) for crash in data["crashes"]]
        return cls(**{**data, "crashes": crashes, "situations": situations})

    def undeclared(self, requirement_id: str, settings: Settings, contract: Contract) -> str:
        """Why a row's profile is not tested, or nothing."""
        profiles = contract[requirement_id].profiles
        missing = [f"profile {profile} is not declared" for profile in profiles if profile not in settings.profiles]
        unseen = [self.unseen[profile] for profile in profiles if profile in self.unseen]
        instead = [INSTEAD] if settings.gives_way(contract[requirement_id]) else []
        return (missing + unseen + instead + [""])[0]

    def why_not(self, requirement_id: str, settings: Settings, contract: Contract) -> str:
        """Why a row does not apply, or nothing."""
        row = contract[requirement_id]
        if undeclared := self.undeclared(requirement_id, settings, contract):
            return undeclared
        if not (row.is_black_box or self.has_provider or self.unfit):
            return self.no_provider
        return ""

    def absent(self, requirement_id: str, settings: Settings, contract: Contract) -> Record:
        """The record of a row that no test judged."""
        why = self.why_not(requirement_id, settings, contract)
        if why and not (why == self.no_provider and self.missing):
            return Record(requirement_id, Verdict.NOT_APPLICABLE, why)
        if self.unfit and requirement_id in ("REQ-01", "API-05"):
            return Record(requirement_id, Verdict.VIOLATED, self.unfit, "status 200 and a stream")
        reason = self.unfit or why or self.stopped or NOT_RUN
        return Record(requirement_id, Verdict.NOT_TESTABLE, reason)
