"""How long requests may take, and how fast the suite may send them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.harness.client.connection import SourceAddresses
from chatproof.harness.client.http import Deadlines
from chatproof.harness.common.redaction import clipped
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, STREAM_PATH
from chatproof.harness.protocol.retry_after import seconds_of
from chatproof.harness.protocol.transcript import End, Transcript

WINDOW = 61.0  # seconds: a minute and a little
WAITED_OUT_AT_MOST = 122.0  # seconds that a run waits in all for 429s that its requests should not get
WAITED_FOR_ONE_ADDRESS = 305.0  # the same where it has one source address only: the LIM rows use up its limit
WAITS_AT_MOST = 6  # for one request; they grow, and take a minute together even where Retry-After asks for 0 s
SLOW_ASKS_AT_MOST = 6  # requests that may time out before deadlines are shortened
MUTE = 20  # requests without any answer, one after the other: the server will answer no more
IMPATIENT = 0.4  # share of the silence allowed from then on; enough for the slowest script, which waits 2 s


@dataclass(slots=True)
class RateBudget:
    """Keeps a lane within the server's rate limits, where it has one source address only, and bounds its waiting.

    `has_time`: deadlines stay as they are, whatever timed out before.
    """

    settings: Settings
    addresses: SourceAddresses
    keeps_limits: bool
    say: Callable[[str], None]
    has_time: bool = False
    _sent: dict[str, deque[float]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _timeouts: int = 0
    _waited_out: float = 0.0
    _unanswered: int = 0
    _gave_up: bool = False

    @property
    def deadlines(self) -> Deadlines:
        """How long a request may take. After several time-outs a server gets less time, so that the run ends."""
        silence, cut = self.settings.allowed(self.settings.silence), ""
        if self._timeouts >= SLOW_ASKS_AT_MOST and not self.has_time:
            cut = f"; the suite waits no longer (usually {silence:g} s), since {self._timeouts} asks timed out before"
            silence *= IMPATIENT
        return Deadlines(silence=silence, whole=silence * 6, cut=cut)

    def note(self, reply: Transcript) -> None:
        """Count a request that timed out. Raises NotTestable once the server answers nothing at all."""
        is_late = reply.end is End.TIMEOUT and reply.terminal is None
        self._timeouts += is_late
        is_unanswered = is_late and reply.status is None and not reply.messages
        self._unanswered = self._unanswered + 1 if is_unanswered else 0
        if self.mute:
            raise NotTestable(f"the server answered none of the last {self.mute} requests")

    @property
    def mute(self) -> int:
        """How many requests the server has not answered, once it answers nothing at all; else 0."""
        return self._unanswered if self._unanswered >= MUTE else 0

    async def pace(self, path: str, wait: bool = True) -> None:
        """Wait until one more request to `path` is within the limit. `wait=False`: only count it."""
        path = path.partition("?")[0]
        limit = {STREAM_PATH: self.settings.stream_limit, CHAT_PATH: self.settings.chat_limit}.get(path)
        if limit is None or self.addresses.available or not self.keeps_limits:
            return
        async with self._turn:
            sent = self._sent.setdefault(path, deque(maxlen=2 * limit + 2))
            while wait and len(sent) >= limit and (rest := sent[-limit] + WINDOW - time.monotonic()) > 0:
                await self._sleep(rest, f"to keep within {limit} requests a minute to {path}")
            sent.append(time.monotonic())

    async def fresh_client(self, path: str) -> str | None:
        """An address that the server has not seen. With one address only, wait until its limit is unused again."""
        if self.addresses.available:
            return self.addresses.fresh()
        if sent := self._sent.get(path):
            await self._sleep(sent[-1] + WINDOW - time.monotonic(), "since there is only one source address")
            sent.clear()
        return None

    async def wait_out(self, answer: Transcript, waits: int) -> float:
        """Wait until a 429 should be over: as long as its Retry-After asks for, within bounds. Gives the seconds.

        Args:
            answer: the 429.
            waits: how often this request has been waited for. Each wait is at least twice the one before.

        Raises:
            NotTestable: this request, or the run in all, has waited too long.
        """
        asked = seconds_of(answer.header("retry-after"), datetime.now(UTC))
        seconds = min(max(WINDOW if asked is None else asked, 2.0**waits), WINDOW)
        most = WAITED_OUT_AT_MOST if self.addresses.available else WAITED_FOR_ONE_ADDRESS
        if waits >= WAITS_AT_MOST or self._waited_out + seconds > most:
            if not self._gave_up:
                self._gave_up = True
                self.say(f"the server still answers 429 after {self._waited_out:.0f} s of waiting; no more waiting")
            raise NotTestable(
                f"the server still answers 429 after {self._waited_out:.0f} s of waiting: {answer.request}"
            )
        self._waited_out += seconds
        await self._sleep(seconds, f"for a 429 to end: {clipped(answer.request, 80)}")
        return seconds

    async def _sleep(self, seconds: float, why: str) -> None:
        if seconds >= 1:
            self.say(f"waiting {seconds:.0f} s {why}")
        await asyncio.sleep(max(0.0, seconds))
