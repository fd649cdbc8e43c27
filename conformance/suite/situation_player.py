"""Play one situation: bring a session to its place, ask in its way, and run the checks on the reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.places import LATER
from chatproof.conformance.suite.provider import cases_in, upstream_text
from chatproof.conformance.suite.together import together
from chatproof.conformance.suite.token_counts import with_counts
from chatproof.fake_providers.scripting.wire_table import Form, wires_of
from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.client.manner import Manner
from chatproof.harness.protocol.apis.api import History
from chatproof.harness.protocol.checks import sse
from chatproof.harness.protocol.checks.later import OVER_SOCKETS
from chatproof.harness.protocol.checks.reply_form import checks_of
from chatproof.harness.protocol.checks.tok import text_is
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Violation, on_behalf_of, violations
from chatproof.harness.protocol.situations.axes import PLACE
from chatproof.harness.protocol.situations.situation import Situation
from chatproof.harness.protocol.transcript import Transcript, Transport

ANSWERED: Final = "answered"
"""Stands for the row of the value that kept a reply from coming."""
LARGE_TOKENS: Final = 16
SCRIPTS: Final = {"short": "hello", "many": "hundred-tokens", "large": "tokens-of-2-kb"}
EARLIER: Final = "three-tokens"
BESIDE: Final = ("unicode", "hundred-tokens")
WIRES: Final = {
    "framing": ("crlf", "lf", "no-space", "comments", "no-last-newline"),
    "noise": ("extra-fields", "empty-deltas", "empty-choices", "role-always", "keepalive", "no-parts"),
    "batched": ("batched",),
    "split": ("split",),
    "gzip": ("gzip",),
}
PLACES: Final = {place.name: place for place in LATER}
MAY_REFUSE: Final = (411, 413, 415)  # what a server may say to a request that it does not take
IN_TEXT: Final = {"application/json": "application/json; charset=utf-8"}

Written = Callable[[HttpRequest], HttpRequest]
REQUESTS: Final[dict[str, Written]] = {
    "accept-any": lambda request: replace(request, manner=Manner(accept="*/*")),
    "accept-none": lambda request: replace(request, manner=Manner(accept=None)),
    "charset": lambda request: replace(
        request, headers=tuple((name, IN_TEXT.get(value, value)) for name, value in request.headers)
    ),
    "two-packets": lambda request: replace(request, manner=Manner(packets=(len(request.body) // 2,))),
    "query": lambda request: replace(request, path=f"{request.path}?source=chatproof"),
}


@dataclass(slots=True)
class Trial:
    """What came of one situation. `found`: the first violation of each row, or of `ANSWERED`; `dropped`: why it says
    nothing, or nothing."""

    situation: Situation
    reply: Transcript | None = None
    found: dict[str, Violation] = field(default_factory=dict)
    dropped: str = ""

    @property
    def refused(self) -> str:
        """How the server said that it does not take such a request, or nothing."""
        status = self.reply.status if self.reply else None
        return f"refused with status {status}" if status in MAY_REFUSE else ""


async def register_scripts(case: Case) -> None:
    """Add the scripts that situations play."""
    tokens = ", ".join(f'"{number:02} {"a large token " * 146}"' for number in range(LARGE_TOKENS))
    toml = f'about = "{LARGE_TOKENS} tokens of 2 KB."\n[[steps]]\ntokens = [{tokens}]\n'
    await case.provider.register(SCRIPTS["large"], toml)


def wires_for(value: str, form: Form | None) -> tuple[str, ...]:
    """The wires that a value of the axis stands for in a form."""
    there = wires_of(form) if form else ()
    return tuple(one for one in WIRES.get(value, ()) if one in there)


@dataclass(frozen=True, slots=True)
class SituationPlayer:
    """Plays situations for one test. `form`: that of the provider's streams."""

    case: Case
    form: Form | None

    async def play(self, situation: Situation) -> Trial:
        """Play it, from a source address of its own."""
        trial = Trial(situation)
        over = Transport(situation["transport"])
        how: dict[str, Any] = {"source": self.case.lane.budget.addresses.fresh(), "over": over}
        how["session"] = None if situation["place"] == "no-id" else self.case.lane.new_session()
        try:
            if over is not Transport.SSE and self._keeps_socket(situation["place"]):
                how["socket"] = await self.case.connect(over, how["source"])
            before = await self._reach(situation["place"], how)
            script = SCRIPTS[situation["size"]]
            work = [self._ask(situation, script, how)]
            if situation["company"] == "beside":
                work += [self._beside(script, over) for script in BESIDE]
            reply, *_ = await together(*work)
        except NotTestable as reason:
            trial.dropped = str(reason)
            return trial
        finally:
            if "socket" in how:
                await how["socket"].disconnect()
        trial.reply = reply
        if reply.status == 429:
            trial.dropped = "status 429"
        elif not reply.is_success:
            trial.found[ANSWERED] = Violation(reply.outcome(), "a whole reply", reply.ended_at)
        else:
            await self._judge(trial, reply, before, self.case.provider.text(script))
        return trial

    def _keeps_socket(self, place: str) -> bool:
        return place in PLACES and PLACES[place].keeps_socket

    async def _reach(self, place: str, how: dict[str, Any]) -> list[Transcript]:
        if place in PLACES:
            return await PLACES[place].reach(self.case, EARLIER, **how)
        if place == "other-transport":
            other = Transport.WEBSOCKET if how["over"] is Transport.SSE else Transport.SSE
            return await PLACES["second"].reach(self.case, EARLIER, **{**how, "over": other})
        return []

    async def _beside(self, script: str, over: Transport) -> Transcript:
        source = self.case.lane.budget.addresses.fresh()
        return await self.case.ask_once("Talk to me, too.", script=script, over=over, source=source)

    async def _ask(self, situation: Situation, script: str, how: dict[str, Any]) -> Transcript:
        wires = wires_for(situation["wire"], self.form)
        if wires:
            script = f"{script} wire {','.join(wires)}"  # the message names both
        text, request = "And what do you say now?", situation["request"]
        if how["over"] is not Transport.SSE or request == "usual":
            return await self.case.ask_once(text, script=script, **how)
        lane, source = self.case.lane, how["source"]
        kept = await self._kept(source) if request == "kept" else None
        case = lane.new_case()
        asked = HttpRequest.of(lane.api.ask(lane.conversation(text, script, case, how["session"])))
        if request in REQUESTS:
            asked = REQUESTS[request](asked)
        exchange = lane.exchange(asked, source, kept=kept, case=case, script=script)
        reply = await exchange.start().finish()
        self.case.log.ask(reply)
        if kept and reply.is_unanswered:
            raise NotTestable("the server closed the kept connection, as it may")
        return reply

    async def _kept(self, source: str | None) -> TcpConnection | None:
        """A connection that has served one exchange; None where the server closed it."""
        lane = self.case.lane
        conversation = lane.conversation("Please say hello.", "three-tokens", lane.new_case())
        exchange = lane.exchange(HttpRequest.of(lane.api.ask(conversation)), source)
        try:
            await exchange.start().wait()
            return exchange.keep()
        finally:
            await exchange.close()

    async def _judge(self, trial: Trial, reply: Transcript, before: Sequence[Transcript], text: str) -> None:
        # no time is watched here
        own: tuple[Check, ...] = (text_is(text), *(c for c in checks_of(reply.api) if c is not sse.ends_after_terminal))
        if reply.transport is not Transport.SSE:
            own = (text_is(text), *(_over_sockets(one) for one in OVER_SOCKETS))
        await with_counts(reply, self.case.provider)
        for one in own:
            for found in violations(one(reply))[:1]:
                trial.found.setdefault(one.id, found)
        await self._judge_history(trial, reply, before)

    async def _judge_history(self, trial: Trial, reply: Transcript, before: Sequence[Transcript]) -> None:
        """What was said before in the session goes upstream, and nothing of others."""
        if (entry := await self.case.provider.asked(reply)) is None:
            return
        sent = upstream_text(entry)
        own = {one.case for one in (*before, reply)}
        if strange := sorted(cases_in(sent) - own):
            seen = f"the provider also got what was said in {strange[0]}: {shown(sent, 300)}"
            trial.found.setdefault("SES-08", Violation(seen, "nothing of another session"))
        said = [one for one in before if one.is_success]
        lost = [one for one in said if one.case not in sent]
        if lost and trial.situation[PLACE.name] in ("second", "third"):
            seen = f"the provider did not get what was said in {lost[0].case}: {shown(sent, 300)}"
            row = "API-01" if self.case.lane.api.history is History.CLIENT else "SES-07"
            trial.found.setdefault(row, Violation(seen, "what was said before in the session"))


def _over_sockets(one: Check) -> Check:
    """Over Socket.IO the completion's rows speak for SIO-04."""
    return on_behalf_of("SIO-04", one)[0] if one.id.startswith("END") else one
