"""A lane: one server under test with one provider behind it."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from chatproof.conformance.suite.carried_turns import CarriedTurns
from chatproof.conformance.suite.crowds import Crowds
from chatproof.conformance.suite.exchange_log import Drawn
from chatproof.conformance.suite.heartbeat import Heartbeat
from chatproof.conformance.suite.lane_state import LaneState
from chatproof.conformance.suite.left_over import left_over
from chatproof.conformance.suite.provider import Upstream
from chatproof.conformance.suite.rate_budget import RateBudget
from chatproof.conformance.suite.server_life import ServerLife
from chatproof.conformance.suite.setup import PROVIDER_TIMEOUT, Scene, set_up, started_by_hand
from chatproof.harness.client.connection import SourceAddresses, TcpConnection
from chatproof.harness.client.http import Deadlines, HttpExchange, HttpRequest
from chatproof.harness.client.introduction import UNKNOWN, Introduction
from chatproof.harness.client.socketio import SocketClient
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.first_error import first_error
from chatproof.harness.common.redaction import clipped
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.api import Api, Conversation, Headers, History, Role, Turn
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, CHAT_STREAM
from chatproof.harness.protocol.memory_budget import OF_THIS_PROCESS, SizeLimits
from chatproof.harness.protocol.requirements import Contract, Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

ERROR_LINE = 300  # characters of the server's own error line
FRESH = ""  # stands for a new session id
STREAM = ""  # stands for the path where the api asks for a stream
LARGE, LARGE_AT_ONCE = 1_000, 3  # tokens of a large reply; tests that have large replies at once
RUN, LONG_RUN = 900.0, 3600.0  # seconds that a run may take; an honest server needs one, or 20 minutes


@dataclass(slots=True)
class Lane:
    """A server under test and everything around it. Use `launch`, `wait_until_up`, `first_ask`, then `close`.

    `share`: which part of the source addresses is this process's, of how many. `side_by_side`: whether the
    server was seen to serve several clients at once and to keep them apart. `large`: held by a test while it has
    replies of more than `LARGE` tokens; all lanes of a run share it. `open_door`: that of `Upstream`. `ends_at`: when
    the run has no more time, in seconds of time.monotonic().
    """

    settings: Settings
    contract: Contract
    say: Callable[[str], None]
    state: LaneState
    share: tuple[int, int] = (0, 1)
    api: Api = CHAT_STREAM
    scene: Scene = field(default_factory=lambda: Scene(Target("http", "127.0.0.1", 0)))
    budget: RateBudget = field(init=False)
    life: ServerLife = field(init=False)
    provider: Upstream | None = None
    completes: bool = True
    side_by_side: bool = False
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    crowds: Crowds = field(default_factory=Crowds)
    served: set[Transport] = field(default_factory=set)
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))
    open_door: asyncio.Lock = field(default_factory=asyncio.Lock)
    ends_at: float = math.inf
    drawn: Drawn = field(default_factory=Drawn)
    carried: CarriedTurns = field(default_factory=CarriedTurns)
    resources: ExitStack = field(default_factory=ExitStack)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _asked_in: dict[str, str] = field(default_factory=dict)
    _given: dict[str, str] = field(default_factory=dict)
    _name: str = field(default_factory=lambda: secrets.token_hex(3))

    def __post_init__(self) -> None:
        self.life = ServerLife(self)

    def launch(self, port: int | None) -> None:
        """Start or find the server and the fakes in the background. `port`: the one to use, else a free one.

        Raises:
            ChatproofError: something cannot be started; the text is one line.
        """
        self.resources.callback(self._say_what_is_left_over)  # called last
        self.scene = set_up(self.settings, self.state.name, port, self.resources, self.server_log)

    def wait_until_up(self) -> None:
        """Wait until the server listens.

        Raises:
            ChatproofError: it does not; the text is one line.
        """
        self.scene = self.scene.listening(self.settings)
        self.state.url = self.url
        self.state.by_hand = started_by_hand(self.scene, self.state.name, self.settings)
        addresses = SourceAddresses.towards(self.target, self.share)
        keeps_limits = Profile.LIMITS in self.settings.profiles
        if self.share[1] > 1 and not addresses.available and keeps_limits:
            raise ChatproofError(
                f"-n: the suite has only one source address towards {self.target.url}, so the server's limits count "
                "all workers as one client; drop -n, or leave `limits` out of --profile"
            )
        if self.share[1] > 1 and self.settings.provider_url:
            raise ChatproofError(
                "-n: all workers would share the fakes of --provider-url, and one test makes them refuse "
                "connections; drop -n, or use --start, which gives each worker its own fakes"
            )
        self.budget = RateBudget(self.settings, addresses, keeps_limits, self.say)
        usual = LONG_RUN if self.settings.slow or not addresses.available else RUN
        self.ends_at = time.monotonic() + (self.settings.time_limit or self.settings.allowed(usual))
        if keeps_limits and not addresses.available:
            self.say(
                f"the suite has only one source address towards {self.target.url}: it keeps within the rate limits, "
                "and a whole run takes about 20 minutes; --only and --profile make it shorter"
                + ("; on 127.0.0.1 it takes a minute" if ":" in self.target.host else "")
            )

    async def close(self) -> None:
        """Stop everything that this lane started."""
        await self.life.close()
        if self.provider:
            await self.provider.fakes.aclose()
        if server := self.scene.server:
            self.state.error_line = clipped(first_error(server.output.latest()), ERROR_LINE)
        self.resources.close()

    def _say_what_is_left_over(self) -> None:
        if self.scene.server and (seen := left_over(self.scene.server.target)):
            self.say(seen)

    # -- what is known

    @property
    def target(self) -> Target:
        return self.scene.target

    @property
    def is_whole(self) -> bool:
        """Whether its server runs, serves several clients at once, and asks its provider."""
        state = self.state
        return self.side_by_side and not (state.unfit or state.set_aside or state.missing or state.stopped)

    @property
    def url(self) -> str:
        """What the report calls the server."""
        if self.settings.base_url:
            return Target.parse(self.settings.base_url).url
        return self.target.url if self.target.port else str(self.settings.start)

    @property
    def server_log(self) -> Path | None:
        """Where to write what the server printed; a file for each lane and each worker of pytest-xdist."""
        path, (worker, workers) = self.settings.server_log, self.share
        if path is None:
            return None
        parts = [] if self.state.name == self.settings.providers[0] else [self.state.name]
        if workers > 1:
            parts.append(f"worker{worker}")
        return path.with_stem("-".join([path.stem, *parts]))

    @property
    def provider_name(self) -> str | None:
        """The provider behind the server, or None where none is known."""
        return self.state.name if self.provider else None

    @property
    def provider_timeout(self) -> float | None:
        """The server's PROVIDER_TIMEOUT in seconds, or None where nobody declared it."""
        return self.settings.provider_timeout or (PROVIDER_TIMEOUT if self.settings.start else None)

    def succeeded(self, reply: Transcript) -> bool:
        """Whether a reply ended well: in a completion. If the server never sends one (END-01 and SIO-03 judge that),
        tokens without an error count as a good end."""
        if self.completes or reply.completion:
            return reply.is_success
        return bool(reply.tokens) and reply.terminal is None

    def look_after_time(self) -> float:
        """The seconds that are left. Notices that a run goes on for too long, or that the server has fallen silent."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            self.stop("the run reached its time limit (--time-limit), so no more tests are run")
        elif mute := self.budget.mute:
            self.stop(f"the server answered none of the last {mute} requests, so no more tests are run")
        return left

    def stop(self, why: str) -> None:
        """Run no more tests against this server."""
        if not self.state.stopped:
            self.state.stopped = why
            self.say(why)

    # -- what is judged

    def applies(self, requirement_id: str) -> bool:
        """Whether a row is judged in this run."""
        return self.why_not(requirement_id) == "" and requirement_id in self.settings.selected(self.contract)

    def undeclared(self, requirement_id: str) -> str:
        """Why a row's profile is not tested here, or nothing."""
        return self.state.undeclared(requirement_id, self.settings, self.contract)

    def why_not(self, requirement_id: str) -> str:
        """Why a row does not apply, or nothing."""
        return self.state.why_not(requirement_id, self.settings, self.contract)

    def shows(self, profile: Profile) -> bool:
        """Whether a profile is declared, and the server was not seen to lack it."""
        return profile in self.settings.profiles and profile not in self.state.unseen

    # -- asking

    def request(self, conversation: Conversation, path: str, headers: Headers = ()) -> HttpRequest:
        """The HTTP request of an ask, with further headers. `path`: `CHAT_PATH`, `STREAM`, or the stream's path in
        another form."""
        ask = CHAT_STREAM.ask_chat(conversation) if path == CHAT_PATH else self.api.ask(conversation)
        return replace(HttpRequest.of(ask, headers), path=path or ask.path)

    def exchange(
        self,
        request: HttpRequest,
        source: str | None,
        deadlines: Deadlines | None = None,
        receive_buffer: int | None = None,
        kept: TcpConnection | None = None,
        case: str = "",
        script: str | None = None,
    ) -> HttpExchange:
        """An HTTP exchange with the server, not started yet. The lane's api reads its reply, which plays `script`."""
        limits = self.limits(script)
        transcript = Transcript(Transport.SSE, api=self.api, case=case, limits=limits, budget=OF_THIS_PROCESS)
        deadlines = deadlines or self.budget.deadlines
        self.carried.note_reply(case, transcript)
        exchange = HttpExchange(self.target, request, source, deadlines, receive_buffer, kept, transcript)
        self.life.asks.note(exchange)
        return exchange

    def socket(
        self,
        transport: Transport,
        source: str | None,
        receive_buffer: int | None = None,
        introduction: Introduction = UNKNOWN,
    ) -> SocketClient:
        """A socket to the server, not connected yet."""
        client = SocketClient(self.target, transport, source, self.api, OF_THIS_PROCESS, receive_buffer, introduction)
        self.life.asks.note(client)
        return client

    def tokens(self, script: str | None) -> int:
        """How many tokens the provider says in a script; 0 where nobody knows."""
        known = self.provider.scripts.get(script or "", {}) if self.provider else {}
        return len(known.get("tokens", ()))

    def limits(self, script: str | None) -> SizeLimits:
        """How much is read of a reply that plays a script, or of another answer. A real model may say a lot."""
        if script and not self.provider:
            return SizeLimits()
        return SizeLimits.for_tokens(self.tokens(script))

    # -- names

    def message(self, text: str, script: str, case: str) -> str:
        """The text to send. With the fakes behind the server it names the script that they play."""
        if not self.provider:
            return text
        self.provider.played[case] = script
        return f"{text} scenario {script} case {case}"

    def did(self, transcript: Transcript | None) -> str:
        """What the fake provider was told to do in an exchange, in words, or nothing."""
        script = self.provider.played.get(transcript.case) if self.provider and transcript else None
        return self.provider.does(script) if self.provider and script else ""

    def conversation(
        self,
        text: str,
        script: str,
        case: str,
        session: str | None = FRESH,
        credential: str | None = None,
        before: tuple[Turn, ...] = (),
        again: bool = False,
    ) -> Conversation:
        """A conversation that goes on, or begins, with a text.

        Args:
            session: its id; a fresh one if left out, none at all if None.
            before: the turns so far; if left out those of the session, where the client carries them.
            again: whether this case was asked before; a client has a new id for each ask, whatever it says.
        """
        turn = Turn(Role.USER, self.message(text, script, case), case)
        carries = bool(session) and self.api.history is History.CLIENT
        if session and carries:
            before = before or self.carried.of(session)
        name = session if session is None else session or self.new_session()
        if self.api.names_conversations and name is not None:
            self._asked_in[case] = name
            name = self._given.get(name)
        conversation = Conversation((*before, turn), name, case, credential)
        if session and carries:
            self.carried.note_ask(session, conversation)
        if again:
            run = self.new_case()
            return replace(conversation, run=run, turns=(*before, replace(turn, id=run)))
        return conversation

    def note(self, reply: Transcript) -> None:
        """Note what a reply tells of limits, over which transport it came, and the id of its conversation."""
        self.budget.note(reply)
        if self.succeeded(reply):
            self.served.add(reply.transport)
        if reply.conversation and reply.case in self._asked_in:
            self._given[self._asked_in[reply.case]] = reply.conversation

    def new_case(self) -> str:
        """A case id that no other run uses: lower-case letters, digits and dashes. No case id is part of another."""
        return f"{self._name}-{next(self._numbers)}x"

    def new_session(self) -> str:
        """A session id that no other run uses."""
        return f"session-{self._name}-{next(self._numbers)}x"
