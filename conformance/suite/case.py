"""One test of the suite: how it asks, and how it says what it found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from chatproof.conformance.suite.exceptions import NotApplicable, TooLate
from chatproof.conformance.suite.exchange_log import ExchangeLog
from chatproof.conformance.suite.lane import FRESH, LARGE, STREAM, Lane
from chatproof.conformance.suite.open_connections import OpenConnections
from chatproof.conformance.suite.provider import Upstream
from chatproof.conformance.suite.replies import SocketStream, SseStream, Stream
from chatproof.conformance.suite.token_counts import with_counts
from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.http import NO_ANSWER, Deadlines, HttpRequest
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.protocol.apis.api import Headers, Turn
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH
from chatproof.harness.protocol.findings import Check, Finding, Late, Unjudged, Violation, flat
from chatproof.harness.protocol.lateness import Lateness
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from chatproof.harness.report.evidence import Evidence
from chatproof.harness.report.failure_screen import SAID, screen
from chatproof.harness.report.verdicts import Record, Verdict


@dataclass(slots=True)
class Case:
    """What a test gets as `case`: it asks the server, and records what the test finds."""

    lane: Lane
    name: str
    ids: tuple[str, ...]
    source: str | None
    records: list[Record] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    log: ExchangeLog = field(init=False)
    watched_longer: float = 0.0  # seconds past a bound in which a busy machine still looks for what is late
    _open: OpenConnections = field(default_factory=OpenConnections)
    _holds_large: bool = False

    def __post_init__(self) -> None:
        self.log = ExchangeLog(wanted=self.lane.settings.report_html is not None)

    # -- asking

    async def start(
        self,
        text: str = "Please say hello.",
        *,
        script: str = "hello",
        session: str | None = FRESH,
        over: Transport = Transport.SSE,
        socket: SocketClient | None = None,
        source: str | None = None,
        credential: str | None = None,
        headers: Headers = (),
        path: str = STREAM,
        deadlines: Deadlines | None = None,
        receive_buffer: int | None = None,
        kept: TcpConnection | None = None,
        before: tuple[Turn, ...] = (),
        again: str = "",
    ) -> Stream:
        """Ask, and give the reply under way. Raises TooLate where no socket can be opened.

        Args:
            session: its session id; a fresh one if left out, none at all if None.
            path: `STREAM`, or the stream's path in another form.
            socket: an open socket to ask on; else one is opened where `over` is not SSE.
            source: the address to ask from; else the test's own. `credential`: the user's token, over SSE.
            kept: a connection that an earlier answer left open, over SSE.
            before: the turns so far, where the client carries them.
            again: an earlier ask's case id, to say the same.
        """
        lane, case = self.lane, again or self.lane.new_case()
        if lane.tokens(script) > LARGE and not self._holds_large:
            self._holds_large = await lane.large.acquire()
        conversation = lane.conversation(text, script, case, session, credential, before, bool(again))
        await lane.budget.pace(path or lane.api.path)  # a server may count all transports together
        if over is Transport.SSE and socket is None:
            request = lane.request(conversation, path, headers)
            return self.begin(request, source, deadlines, receive_buffer, kept, case, script)
        client = socket or await self.connect(over, source)
        try:
            transcript = await client.ask(lane.api.emit(conversation), lane.limits(script))
        except NotConnected as error:
            raise TooLate(f"the socket was lost: {error}") from error
        transcript.case = case
        self.log.ask(transcript)
        return SocketStream(client, transcript, deadlines or lane.budget.deadlines, owned=socket is None)

    def begin(self, request: HttpRequest, source: str | None = None, *how: Any) -> SseStream:
        """Send an HTTP request and give its answer under way; `how` as for `Lane.exchange`."""
        exchange = self.lane.exchange(request, source or self.source, *how)
        self._open.add(exchange, exchange.close)
        self.log.ask(exchange.start().transcript)
        return SseStream(exchange)

    async def ask(self, text: str = "Please say hello.", **how: Any) -> Transcript:
        """Ask and wait for the whole reply. A 429 is waited out, since the LIM rows judge it."""
        for waits in count():  # bounded by `wait_out`
            reply = await self.ask_once(text, **how)
            if not await self.refused_for_now(reply, waits):
                break
        return reply

    async def ask_once(self, text: str, **how: Any) -> Transcript:
        """As `ask`, but a 429 is returned like any other answer."""
        reply = await (await self.start(text, **how)).finish()
        self.lane.note(reply)
        return await with_counts(reply, self.lane.provider)

    async def ask_plain(
        self,
        text: str = "Please say hello.",
        *,
        script: str = "hello",
        session: str | None = FRESH,
        credential: str | None = None,
        headers: Headers = (),
        path: str = CHAT_PATH,
        once: bool = False,
        **how: Any,
    ) -> Transcript:
        """Ask by an HTTP request and give its whole answer.

        Args:
            path: `CHAT_PATH`, `STREAM`, or the stream's path in another form.
            once: a 429 is an answer like others; else it is waited out.
            how: as in `request_once`.
        """
        case = self.lane.new_case()
        conversation = self.lane.conversation(text, script, case, session, credential)
        send = self.request_once if once else self.request
        answer = await send(self.lane.request(conversation, path, headers), **how)
        answer.case = case
        return answer

    async def request(self, request: HttpRequest, source: str | None = None, **how: Any) -> Transcript:
        """Send any other HTTP request and give its answer. A 429 is waited out."""
        for waits in count():  # bounded by `wait_out`
            answer = await self.request_once(request, source, **how)
            if not await self.refused_for_now(answer, waits):
                break
        return answer

    async def request_once(
        self, request: HttpRequest, source: str | None = None, deadlines: Deadlines | None = None, paced: bool = True
    ) -> Transcript:
        """As `request`, but a 429 is returned like any other answer. `paced`: keep within the server's limits."""
        if request.method == "POST":
            await self.lane.budget.pace(request.path, wait=paced)
        answer = await self.begin(request, source, deadlines).finish()
        self.lane.budget.note(answer)
        return answer

    async def on_kept(
        self, connection: TcpConnection | None, request: HttpRequest
    ) -> tuple[Transcript, TcpConnection | None]:
        """Ask on a connection that an earlier answer left open, or on a new one. Gives the answer, and the connection
        if it can be used again.

        A server may close an idle connection at any time: then the request is sent again on a new one.
        """
        if request.method == "POST":
            await self.lane.budget.pace(request.path)
        exchange = self.lane.exchange(request, self.source, kept=connection)
        self._open.add(exchange, exchange.close)
        answer = await exchange.start().wait()
        self.log.ask(answer)
        if connection and answer.status is None and (answer.end is End.RESET or answer.fault == NO_ANSWER):
            await exchange.close()
            return await self.on_kept(None, request)
        if left := exchange.keep():
            self._open.keep(left)
        return answer, left

    async def post(self, value: object) -> Transcript:
        """POST a JSON value where streams are asked."""
        return await self.request(HttpRequest.json("POST", self.lane.api.path, value))

    async def connect(self, transport: Transport, source: str | None = None, **how: Any) -> SocketClient:
        """Open a socket, which is closed at the end of the test; `how` as in `Lane.socket`. Raises TooLate."""
        client = self.lane.socket(transport, source or self.source, **how)
        self._open.add(client, client.disconnect)  # first: the test may be cancelled while it connects
        try:
            await client.connect()
        except NotConnected as error:
            raise TooLate(f"no Socket.IO connection over {transport}: {error}") from error
        return client

    @property
    def provider(self) -> Upstream:
        """The fakes behind the server. Raises NotApplicable where there are none."""
        self.needs_provider()
        assert self.lane.provider is not None
        return self.lane.provider

    def needs_provider(self) -> None:
        """Stop the test where no fakes are behind the server. Raises NotApplicable."""
        if self.lane.provider is None:
            raise NotApplicable(self.lane.state.no_provider)

    async def refused_for_now(self, answer: Transcript, waits: int) -> bool:
        """Whether an answer is a 429. If it is, wait until the server should accept requests again.

        `waits`: how often this request has been waited for. Raises NotTestable once that is enough.
        """
        if answer.status != 429:
            return False
        await self.lane.budget.wait_out(answer, waits)
        return True

    # -- saying what was found

    def conforms(self, transcript: Transcript, *checks: Check | Iterable[Check]) -> None:
        """Run checks on a transcript and record what each of them finds, also that a row is kept."""
        for one in flat(checks):
            self.keep(one.id, one(transcript), transcript)

    def holds(
        self,
        requirement_id: str,
        kept: bool,
        seen: str,
        expected: str,
        transcript: Transcript | None = None,
        measured: bool = False,
        late: Late | None = None,
        lateness: Lateness | None = None,
    ) -> bool:
        """Record one finding and give `kept` back. `measured`: report `seen` also where the row is kept. `late`: a
        bound of time was missed; `lateness` says whether this machine was too busy to tell.
        """
        if not kept and lateness and lateness.excuses(late):
            self.is_too_busy(requirement_id, f"{lateness}; {seen}")
            return kept
        findings = [] if kept else [Violation(seen, expected, late=late)]
        self.keep(requirement_id, findings, transcript, seen if measured else "")
        return kept

    def cannot_judge(self, requirement_id: str, why: str) -> None:
        """Record that the test cannot judge a row, and why."""
        self.keep(requirement_id, [Unjudged(why)], None)

    def is_too_busy(self, requirement_id: str, why: str) -> None:
        """Record that this machine was too busy to judge a row that watches the time."""
        self._record(requirement_id, Verdict.NOT_TESTABLE, why, timed=True)

    async def lateness(self, began: float, *replies: Transcript) -> Lateness:
        """How late this machine was since `began` (monotonic seconds), and in the provider's part of some replies."""
        entries = [entry for reply in replies if self.lane.provider for entry in await self.provider.entries(reply)]
        return self.lane.heartbeat.since(began, entries)

    def keep(
        self, requirement_id: str, findings: Sequence[Finding], transcript: Transcript | None, seen: str = ""
    ) -> None:
        """Record what was found of a row. Without a finding the row is kept, and `seen` is reported with it.

        An answer that never came, or was given up, says nothing of what it should have held, and keeps no row."""
        row = self.lane.contract[requirement_id]
        is_given_up = bool(findings) and transcript is not None and transcript.is_shed
        if transcript is not None and (is_given_up or (transcript.is_unanswered and not row.asks_for_answer)):
            self.log.keeps(transcript, requirement_id)
            why = f"{' '.join(transcript.request.split(' ', 2)[:2])}: {transcript.outcome()}"
            self._record(requirement_id, Verdict.NOT_TESTABLE, why, timed=is_given_up or transcript.did_not_come)
            return
        if not findings:
            self.log.keeps(transcript, requirement_id)
            self._record(requirement_id, Verdict.PASSED, seen)
        in_vain = transcript is not None and self.lane.heartbeat.may_have_lost(transcript)
        for finding in findings:
            if isinstance(finding, Unjudged):
                self.log.keeps(transcript, requirement_id)
                self._record(requirement_id, Verdict.NOT_TESTABLE, finding.why, weak=True, timed=in_vain)
            else:
                self.log.violates(transcript, requirement_id, finding.at)
                finding = finding.with_cut(transcript)
                shown = screen(row, finding, transcript, self.lane.did(transcript))
                timed = in_vain or finding.late is not None
                repeat = self.log.repeat(requirement_id, transcript, self.lane.provider)
                told = (finding.seen, finding.expected, shown)
                self._record(requirement_id, Verdict.VIOLATED, *told, timed=timed, repeat=repeat)

    def _record(
        self,
        requirement_id: str,
        verdict: Verdict,
        seen: str = "",
        expected: str = "",
        shown: str = "",
        weak: bool = False,
        timed: bool = False,
        repeat: str = "",
    ) -> None:
        if requirement_id not in self.ids:
            raise LookupError(f"{self.name} judges {requirement_id}, which it does not name")
        row = self.lane.contract[requirement_id]
        if verdict is Verdict.PASSED and row.black_box and self.lane.provider is None:
            seen = f"judged without the fake providers: {row.black_box}"
        if self.lane.applies(requirement_id):
            found = (clipped(seen, 2 * SAID), clipped(expected, 2 * SAID), shown, self.name, weak)
            self.records.append(Record(requirement_id, verdict, *found, timed=timed, repeat=repeat))

    def blame(self, why: str, details: str) -> None:
        why, details = redacted(why), redacted(details)
        shown = f"harness error in {self.name}: {why}\n{details}"
        self.records.append(Record(self.ids[0], Verdict.HARNESS_ERROR, why, screen=shown, test=self.name))

    def close_records(self, verdict: Verdict, why: str, timed: bool = False, weak: bool = False) -> None:
        """Set a verdict on each row that this test never judged; `timed` and `weak` as in `Record`."""
        judged, why = {record.id for record in self.records}, redacted(why)
        for one in self.ids:
            if one not in judged and self.lane.applies(one):
                self.records.append(Record(one, verdict, why, test=self.name, timed=timed, weak=weak))

    async def close(self) -> None:
        """Close every connection that the test left open, and collect the evidence for its pictures."""
        await self._open.close()
        if self._holds_large:
            self._holds_large = False
            self.lane.large.release()
        lane = self.lane
        self.evidence += await self.log.gather(self.name, self.ids, lane.provider, lane.provider_name, lane.drawn)
