"""One run of the suite against one server: what is started, what is known, how long things may take."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from conformance.suite.provider import Provider
from fake_providers.client import Fakes, FakesError
from fake_providers.process import start_fakes
from harness.errors import ChatproofError
from harness.http import Deadlines, Exchange, Request
from harness.net import SourceAddresses, Target
from harness.protocol.findings import shown
from harness.protocol.requirements import Contract, Profile
from harness.protocol.transcript import End, Transcript
from harness.servers import StartedServer, free_port, listens
from harness.settings import Settings
from harness.verdicts import Record, Verdict

STREAM_LIMIT, CHAT_LIMIT = 30, 60  # requests a minute and address
PROVIDER_TIMEOUT = 10.0  # seconds; well over the 5 that INT-02 leaves, so that the two are told apart
WINDOW = 61.0  # seconds after which a minute has surely passed
WAITED_OUT_AT_MOST = 305.0  # seconds of a run that may go by in waiting for 429s to end
SLOW_ASKS_AT_MOST = 6  # requests that may time out before the run loses its patience
IMPATIENT = 0.4  # of the silence allowed, from then on; enough for the slowest script's two seconds

T = TypeVar("T")


class NotTestable(Exception):
    """A test's precondition failed; the text says which."""


class NotApplicable(Exception):
    """A test needs what this run does not have; the text says what."""


@dataclass(slots=True)
class Run:
    """The server under test and everything around it. Use `open` and `close`."""

    settings: Settings
    contract: Contract
    say: Callable[[str], None]
    target: Target = field(default_factory=lambda: Target("http", "127.0.0.1", 0))
    addresses: SourceAddresses = field(default_factory=lambda: SourceAddresses(available=False))
    provider: Provider | None = None
    no_provider: str = "needs the fake providers behind the server (--start, or --provider-url)"
    provider_missing: bool = False
    unfit: str = ""
    secrets: tuple[str, ...] = ()
    server: StartedServer | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _resources: ExitStack = field(default_factory=ExitStack)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _name: str = field(default_factory=lambda: secrets.token_hex(3))
    _sent: dict[str, deque[float]] = field(default_factory=dict)
    _timeouts: int = 0
    _waited_out: float = 0.0

    @property
    def url(self) -> str:
        """What the report calls the server."""
        if self.settings.base_url:
            return Target.parse(self.settings.base_url).url
        return self.target.url if self.target.port else str(self.settings.start)

    @property
    def provider_timeout(self) -> float | None:
        """The server's PROVIDER_TIMEOUT in seconds, or None where nobody declared it."""
        return self.settings.provider_timeout or (PROVIDER_TIMEOUT if self.settings.start else None)

    @property
    def provider_name(self) -> str | None:
        """The provider behind the server, or None where none is known."""
        return "openai" if self.provider else None

    # -- beginning and end

    def open(self) -> None:
        """Start or find the server and the fakes, and see whether there is a chat server at all.

        Raises:
            ChatproofError: there is nothing to judge; the text is one line.
        """
        settings = self.settings
        fakes_url = settings.provider_url
        if settings.start and not fakes_url:
            fakes_url = self._resources.enter_context(start_fakes()).url
        if settings.start:
            self._start_server(settings.start, fakes_url or "")
        else:
            self.target = Target.parse(settings.base_url or "")
        self.do(self._look(fakes_url))

    def _start_server(self, command: str, fakes_url: str) -> None:
        if self.settings.base_url:
            port = Target.parse(self.settings.base_url).port
            if listens("127.0.0.1", port):
                advice = "stop what listens there, or leave --base-url out and a free port is taken"
                raise ChatproofError(f"--start: port {port} is in use already; {advice}")
        else:
            port = free_port()
        key = f"sk-chatproof-{secrets.token_hex(12)}"
        self.secrets = (key,)
        environment = {
            "OPENAI_API_KEY": key,
            "OPENAI_BASE_URL": f"{fakes_url}/v1",
            "GEMINI_API_KEY": key,
            "GOOGLE_GEMINI_BASE_URL": fakes_url,
            "LOCAL_LLM_URL": fakes_url,
            "LLM_PROVIDER": "openai",
            "PROVIDER_TIMEOUT": f"{self.provider_timeout:g}",
            "JWT_SECRET": secrets.token_hex(32),
            "ALLOWED_ORIGINS": "https://chat.example",
        }
        self.server = StartedServer.start(command, environment, port, self.settings.start_timeout)
        self._resources.callback(self.server.stop)
        self.target = self.server.target

    async def _look(self, fakes_url: str | None) -> None:
        self.addresses = SourceAddresses.towards(self.target)
        if fakes_url:
            fakes = Fakes(fakes_url)
            self._resources.callback(lambda: self.do(fakes.aclose()))
            self.provider = Provider(fakes)
            try:
                await self.provider.open()
            except FakesError as error:
                raise ChatproofError(f"--provider-url: {error}") from error
        reply = await self._first_reply()
        self.unfit = self._unfit(reply)
        if self.provider and not self.unfit and not await self.provider.asked(reply):
            self.no_provider = (
                f"the server answered without asking the fake providers at {fakes_url}: does it use OPENAI_BASE_URL?"
            )
            self.provider, self.provider_missing = None, True

    async def _first_reply(self) -> Transcript:
        case = self.new_case()
        text = f"Please say hello. scenario hello case {case}" if self.provider else "Please say hello."
        body = {"message": text, "session_id": self.new_session()}
        deadlines = Deadlines(silence=self.settings.silence, whole=self.settings.silence * 3)
        while True:
            exchange = Exchange(
                self.target, Request.json("POST", "/api/chat/stream", body), self.addresses.fresh(), deadlines
            )
            exchange.transcript.case = case
            reply = await exchange.start().finish()
            if reply.status != 429:
                return reply
            await self.wait_out(WINDOW, reply.request)

    def _unfit(self, reply: Transcript) -> str:
        """Why this is no chat server at all, or nothing."""
        url = self.target.url
        if reply.end is End.REFUSED:
            raise ChatproofError(f"{url}: {reply.fault}: is the server running there?")
        if reply.status is None:
            return f"{url} accepts connections but gave no HTTP answer to POST /api/chat/stream: {reply.fault}"
        kind = reply.header("content-type") or "no Content-Type"
        if reply.status != 200:
            return f"{url} answers POST /api/chat/stream with status {reply.status} ({kind}): this is no chat server"
        if reply.messages or (reply.end is End.COMPLETE and "html" not in kind):
            return ""
        seen = f"{kind} that holds no event: {shown(reply.body[:80])}"
        return f"{url} answers POST /api/chat/stream with {seen}; this is no chat server"

    def close(self) -> None:
        """Stop what was started, by its handle."""
        self.do(_cancel_all())
        self._resources.close()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the run's own event loop; background tests go on meanwhile."""
        return self._loop.run_until_complete(work)

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something beside whatever `do` runs."""
        return self._loop.create_task(work)

    # -- what is judged

    def applies(self, requirement_id: str) -> bool:
        """Whether a row is judged in this run."""
        return self.why_not(requirement_id) == "" and requirement_id in self.settings.selected(self.contract)

    def why_not(self, requirement_id: str) -> str:
        """Why a row does not apply, or nothing."""
        row = self.contract[requirement_id]
        missing = [profile for profile in row.profiles if profile not in self.settings.profiles]
        if missing:
            return f"profile {missing[0]} is not declared"
        if row.needs_provider and self.provider is None and not self.unfit:
            return self.no_provider
        return ""

    def absent(self, requirement_id: str) -> Record:
        """What a row is that no test judged."""
        why = self.why_not(requirement_id)
        if why and not (why == self.no_provider and self.provider_missing):
            return Record(requirement_id, Verdict.NOT_APPLICABLE, why)
        if self.unfit and requirement_id == "REQ-01":
            return Record(requirement_id, Verdict.VIOLATED, self.unfit, "status 200 and a stream")
        return Record(requirement_id, Verdict.NOT_TESTABLE, self.unfit or why or "no test of this row was run")

    # -- names

    def new_case(self) -> str:
        """A case id, fresh in all runs: plain lower-case letters, digits and dashes."""
        return f"{self._name}-{next(self._numbers)}"

    def new_session(self) -> str:
        """A session id, fresh in all runs."""
        return f"session-{self._name}-{next(self._numbers)}"

    # -- time

    @property
    def deadlines(self) -> Deadlines:
        """How long a request may take. A server that let several time out is given less from then on, so that
        one that hangs does not make the run last for ever."""
        silence = self.settings.silence
        if self._timeouts >= SLOW_ASKS_AT_MOST:
            silence *= IMPATIENT
        return Deadlines(silence=silence, whole=silence * 6)

    def note(self, reply: Transcript) -> None:
        """Count what the run should know of an answer."""
        if reply.end is End.TIMEOUT and reply.terminal is None:
            self._timeouts += 1
        if reply.end is End.REFUSED and self.server and self.server.exit_code is not None:
            raise NotTestable(f"the server ended with exit code {self.server.exit_code}{self.server.last_words()}")

    async def pace(self, path: str, wait: bool = True) -> None:
        """Where there is only one source address, keep within the limits that the server declares."""
        limit = {"/api/chat/stream": STREAM_LIMIT, "/api/chat": CHAT_LIMIT}.get(path)
        if limit is None or self.addresses.available or Profile.LIMITS not in self.settings.profiles:
            return
        sent = self._sent.setdefault(path, deque(maxlen=limit))
        if wait and len(sent) == limit and (rest := sent[0] + WINDOW - time.monotonic()) > 0:
            await self._sleep(rest, f"to keep within {limit} requests a minute to {path}")
        sent.append(time.monotonic())

    async def fresh_client(self, path: str) -> str | None:
        """An address that the server has not seen, or a minute's silence where there is only one."""
        if self.addresses.available:
            return self.addresses.fresh()
        if sent := self._sent.get(path):
            await self._sleep(sent[-1] + WINDOW - time.monotonic(), "since there is one source address only")
            sent.clear()
        return None

    async def wait_out(self, seconds: float, request: str) -> None:
        """Wait for a 429 to end, within reason. Raises NotTestable when the run has waited enough."""
        if self._waited_out + seconds > WAITED_OUT_AT_MOST:
            raise NotTestable(f"the server refused with 429 for {self._waited_out:.0f} s of waiting: {request}")
        self._waited_out += seconds
        await self._sleep(seconds, f"for a 429 to end: {request[:80]}")

    async def _sleep(self, seconds: float, why: str) -> None:
        if seconds >= 1:
            self.say(f"waiting {seconds:.0f} s {why}")
        await asyncio.sleep(max(0.0, seconds))


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
