"""One run of the suite against one server: what is known of it, and what is judged."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from conformance.suite.opening import PROVIDER_TIMEOUT, Scene, first_ask, set_up, why_unfit
from conformance.suite.pacer import STREAM, WINDOW, Pacer
from conformance.suite.provider import Provider
from fake_providers.client import Fakes, FakesError
from harness.errors import ChatproofError
from harness.http import Deadlines, Exchange
from harness.net import SourceAddresses, Target
from harness.protocol.requirements import Contract, Profile
from harness.protocol.transcript import Transcript
from harness.settings import Settings
from harness.verdicts import Record, Verdict

T = TypeVar("T")
NO_FAKES = "needs the fake providers behind the server (--start, or --provider-url)"


@dataclass(slots=True)
class Run:
    """The server under test and everything around it. Use `open` and `close`.

    `unfit` says why there is no chat server at all; `stopped` why no more tests are run.
    """

    settings: Settings
    contract: Contract
    say: Callable[[str], None]
    scene: Scene = field(default_factory=lambda: Scene(Target("http", "127.0.0.1", 0)))
    pacer: Pacer = field(init=False)
    provider: Provider | None = None
    no_provider: str = NO_FAKES
    provider_missing: bool = False
    completes: bool = True
    unfit: str = ""
    stopped: str = ""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _resources: ExitStack = field(default_factory=ExitStack)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _name: str = field(default_factory=lambda: secrets.token_hex(3))

    def open(self) -> None:
        """Start or find the server and the fakes, and see whether there is a chat server at all.

        Raises:
            ChatproofError: there is nothing to judge; the text is one line.
        """
        self.scene = set_up(self.settings, self._resources)
        addresses = SourceAddresses.towards(self.target)
        keeps_limits = Profile.LIMITS in self.settings.profiles
        self.pacer = Pacer(self.settings.silence, addresses, keeps_limits, self.say)
        if keeps_limits and not addresses.available:
            self.say(
                f"there is one source address only towards {self.target.url}: the run keeps within the limits, and a "
                "whole one takes about 20 minutes; --only and --profile make it shorter"
            )
        self.do(self._look(self.scene.fakes_url))

    async def _look(self, fakes_url: str | None) -> None:
        if fakes_url:
            fakes = Fakes(fakes_url)
            self._resources.callback(lambda: self.do(fakes.aclose()))
            self.provider = Provider(fakes)
            try:
                await self.provider.open()
            except FakesError as error:
                raise ChatproofError(f"--provider-url: {error}") from error
        reply = await self._first_reply()
        if self.provider and not self.unfit and not await self.provider.asked(reply):
            self.no_provider = (
                f"the server answered without asking the fake providers at {fakes_url}: does it use OPENAI_BASE_URL?"
            )
            self.provider, self.provider_missing = None, True

    async def _first_reply(self) -> Transcript:
        case = self.new_case()
        text = self.message("Please say hello.", "hello", case)
        deadlines = Deadlines(silence=self.settings.silence, whole=self.settings.silence * 3)
        while True:
            await self.pacer.pace(STREAM)
            ask = first_ask(self.target, text, self.new_session())
            exchange = Exchange(self.target, ask, self.pacer.addresses.fresh(), deadlines)
            exchange.transcript.case = case
            reply = await exchange.start().finish()
            if reply.status != 429:
                self.unfit = why_unfit(exchange)
                self.completes = reply.completion is not None or reply.terminal is not None
                return reply
            await self.pacer.wait_out(WINDOW, reply.request)

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

    # -- what is known

    @property
    def target(self) -> Target:
        """The server under test."""
        return self.scene.target

    @property
    def url(self) -> str:
        """What the report calls the server."""
        if self.settings.base_url:
            return Target.parse(self.settings.base_url).url
        return self.target.url if self.target.port else str(self.settings.start)

    @property
    def provider_name(self) -> str | None:
        """The provider behind the server, or None where none is known."""
        return "openai" if self.provider else None

    @property
    def provider_timeout(self) -> float | None:
        """The server's PROVIDER_TIMEOUT in seconds, or None where nobody declared it."""
        return self.settings.provider_timeout or (PROVIDER_TIMEOUT if self.settings.start else None)

    def succeeded(self, reply: Transcript) -> bool:
        """The reply came to a good end: a completion. Where the server never sends one, which is the business of
        END-01 and SIO-03, tokens without an error are as good an end as it has."""
        if self.completes or reply.completion:
            return reply.is_success
        return bool(reply.tokens) and reply.terminal is None

    def look_after_server(self, test: str) -> None:
        """Notice that a started server has ended, so that what follows is not asked of nobody."""
        server = self.scene.server
        if server and not self.stopped and (code := server.exit_code) is not None:
            self.stopped = f"the server ended with exit code {code} during {test}{server.last_words()}"
            self.say(self.stopped)

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
        reason = self.unfit or why or self.stopped or "not run: the run ended before its test"
        return Record(requirement_id, Verdict.NOT_TESTABLE, reason)

    # -- names

    def message(self, text: str, script: str, case: str) -> str:
        """The text to send. With the fakes behind the server it says which script they shall play."""
        return f"{text} scenario {script} case {case}" if self.provider else text

    def new_case(self) -> str:
        """A case id, fresh in all runs: plain lower-case letters, digits and dashes."""
        return f"{self._name}-{next(self._numbers)}"

    def new_session(self) -> str:
        """A session id, fresh in all runs."""
        return f"session-{self._name}-{next(self._numbers)}"


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
