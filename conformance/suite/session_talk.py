"""One session: what was said in it, and what the provider gets of that with each further message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate, without
from chatproof.conformance.suite.provider import RETRIES, messages_of
from chatproof.harness.client.http import Deadlines
from chatproof.harness.client.socketio import SocketClient
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, STREAM_PATH
from chatproof.harness.protocol.checks.history import Exchange, History, history_faults, lost
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.transcript import Transcript, Transport


@dataclass(slots=True)
class SessionTalk:
    """A session over one route: a transport, or /api/chat where `over` is None. `socket`: an open one to ask on."""

    case: Case
    over: Transport | None = Transport.SSE
    socket: SocketClient | None = None
    session: str = ""
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = self.session or self.case.lane.new_session()

    @property
    def route(self) -> str:
        """Over what it asks, for messages."""
        return CHAT_PATH if self.over is None else str(self.over)

    async def open(self) -> None:
        """Open a socket for all further asks, where the route is one."""
        if self.over not in (Transport.SSE, None):
            self.socket = await self.case.connect(self.over)

    async def ask(self, text: str, script: str = "hello", deadlines: Deadlines = RETRIES) -> Transcript:
        """Ask in the session, and note the exchange."""
        if self.over is None:
            reply = await self.case.ask_plain(text, script=script, session=self.session, deadlines=deadlines)
            is_whole = reply.status == 200
        else:
            how = {"script": script, "session": self.session, "over": self.over, "socket": self.socket}
            reply = await self.case.ask(text, deadlines=deadlines, **how)
            is_whole = self.case.lane.succeeded(reply)
        self.note(reply, script, is_whole)
        return reply

    async def say(self, text: str, script: str = "hello") -> Transcript:
        """An exchange that must succeed for the test to go on. Raises NotTestable."""
        reply = await self.ask(text, script)
        if not self.exchanges[-1].is_whole:
            raise without(reply, f"an ordinary exchange failed: {reply.outcome()}")
        return reply

    def note(self, reply: Transcript, script: str, is_whole: bool) -> None:
        """Note an exchange of the session."""
        self.exchanges.append(Exchange(reply.case, self.case.provider.text(script), is_whole))

    async def stop(self, text: str, script: str, tokens: int) -> None:
        """Leave a reply after some tokens; with 0, once the provider was asked. Waits until the server has hung up on
        the provider and serves others, and opens a new socket.

        Raises:
            TooLate: the provider was not asked.
            NotApplicable: a client that leaves stops nothing.
        """
        case = self.case
        if case.lane.settings.resumes:
            raise NotApplicable("a reply goes on when its client leaves (profile resume)")
        path = CHAT_PATH if self.over is None else STREAM_PATH
        over = self.over or Transport.SSE
        stream = await case.start(text, script=script, session=self.session, over=over, socket=self.socket, path=path)
        there = await case.provider.asked(stream.transcript) is not None
        if not there or (tokens and not await case.provider.has_said(stream.transcript, tokens)):
            raise TooLate(f"the provider was never asked for so much: {stream.transcript.outcome()}")
        await stream.leave()
        await case.provider.ended(stream.transcript, case.provider.due)
        self.note(stream.transcript, script, is_whole=False)
        await self.open()
        await case.ask()  # the server may still tidy up when its connection to the provider is closed

    async def history(self, reply: Transcript) -> History:
        """Roles and texts of the provider's request for a reply. Raises TooLate where there is none."""
        if (entry := await self.case.provider.asked(reply)) is None:
            raise TooLate(f"the provider was never asked: {reply.outcome()}")
        return messages_of(entry)

    async def judge(
        self, requirement_id: str, after: str, reply: Transcript, in_order: bool = True, may_fill_in: bool = False
    ) -> bool:
        """Judge the history with which the provider was asked for the session's last reply. Says whether all is well.
        `in_order` and `may_fill_in` as for `history_faults`.

        What an ordinary session loses as well is the business of SES-07 and SES-17.
        """
        history, before = await self.history(reply), self.exchanges[:-1]
        findings = list(history_faults(history, before, in_order, may_fill_in))
        if findings and findings == list(lost(history, before)) and (same := await self._is_always_lost()):
            self.case.cannot_judge(requirement_id, f"without any trouble, too, {same}")
            return False
        self.case.keep(requirement_id, list(_told(findings, after)), reply)
        return not findings

    async def _is_always_lost(self) -> str:
        """What as many ordinary exchanges in a session lose, over the same route, or nothing."""
        plain = SessionTalk(self.case, self.over)
        await plain.open()
        for number in range(len(self.exchanges) - 1):
            await plain.say("Please say something.", ("hello", "three-tokens")[number % 2])
        reply = await plain.say("What was it?")
        return next((one.seen for one in lost(await plain.history(reply), plain.exchanges[:-1])), "")


def _told(findings: Sequence[Violation], after: str) -> Iterator[Violation]:
    for finding in findings:
        yield replace(finding, seen=f"after {after}, sent to the provider: {finding.seen}")
