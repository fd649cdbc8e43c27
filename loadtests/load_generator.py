"""Asks for the users of a run, hands out messages and addresses, keeps open streams, and parses what came back.

A recording is parsed when the event loop is idle, so that the end of one stream does not delay the receive stamps of
the others.
"""

from __future__ import annotations

import gc
import itertools
import random
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.event import Event  # type: ignore[import-untyped]

from chatproof.harness.common.redaction import HIDDEN, conceal, redacted
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.address_rotation import AddressRotation
from chatproof.loadtests.behaviour import Behaviour
from chatproof.loadtests.journal_lookup import JournalLookup
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.objectives import stream_limits
from chatproof.loadtests.readers.http_reader import StreamRequest, ask_over_http
from chatproof.loadtests.readers.http_response import NotHttp
from chatproof.loadtests.readers.reading import Reading, StreamOutcome, understand
from chatproof.loadtests.readers.socketio_reader import SOCKET_IO, SocketReader, SocketRefused
from chatproof.loadtests.readers.stamped_connection import ConnectionFailed
from chatproof.loadtests.readers.stream_recording import StreamRecording
from chatproof.loadtests.readers.strict import violations
from chatproof.loadtests.readers.websocket_frames import BadFrame
from chatproof.loadtests.user_session import UserSession

MOST_CHECKED: Final = 50
MOST_CHECKED_BYTES: Final = 1 << 20
BACKLOG: Final = 500
"""Recordings that may wait for an idle event loop. Beyond, they are parsed at once, so that memory is bounded."""
LARGE: Final = 256 << 10
"""Bytes. A larger recording is parsed in a thread, half a millisecond at a time: 2,000 tokens that each repeat the text
so far take 50 ms."""
SWITCH_S: Final = 0.0005


class LoadGenerator:
    """All users of this process share one. `on_reading` is called with each parsed stream."""

    def __init__(self, target: Target, options: Behaviour) -> None:
        """Raises ChatproofError where no fake providers answer at `options.provider_url`."""
        self.target = target
        self.options = options
        # those that look like a JWT are hidden anyway: looking for each of many costs milliseconds a text
        conceal(one for one in options.jwts if redacted(one) != HIDDEN)
        self.metrics = self._fresh()
        self.closing = Event()
        self.measure_from = 0.0
        """Streams that were due before this time (monotonic, in seconds) are warm-up: they are only counted."""
        self.on_reading: Callable[[Reading], None] = lambda reading: None
        self.sources = AddressRotation.towards(target) if options.rotate else AddressRotation(available=False)
        self.live: dict[int, StreamRecording] = {}
        self.lookup = JournalLookup(options.provider_url) if options.provider_url else None
        self._waiting: deque[tuple[StreamRecording, Reading | None]] = deque()
        self._wake = Event()
        self._numbers = itertools.count()
        self._taken = itertools.count()
        self._sampled: list[StreamRecording] = []
        self._greenlets = [gevent.spawn(self._understand_all)]
        if self.lookup is not None:
            self._greenlets.append(gevent.spawn(self._look_up))

    def _fresh(self) -> Metrics:
        return Metrics(time.time() - time.monotonic(), stream_limits(self.options.objectives))

    def _look_up(self) -> None:
        assert self.lookup is not None
        while True:
            gevent.sleep(0.25)  # each look-up costs the client, and the journal is bounded
            self._note(self.lookup.step())

    def _note(self, found: Iterable[tuple[str, float]]) -> None:
        for name, value in found:
            self.metrics.of(name).add(value)

    # -- what users call

    def compose(
        self,
        session: UserSession | None = None,
        *,
        message: str | None = None,
        interrupts: bool = False,
        stop_after: float | None = None,
        plain: bool = False,
    ) -> StreamRequest:
        """The next request: messages and JWTs in turn. `interrupts`: the user leaves in the middle of the reply."""
        number, options = next(self._numbers), self.options
        message, case = message or options.messages[number % len(options.messages)], ""
        if self.lookup is not None:
            case = uuid.uuid4().hex[:16]
            message = f"{message} case {case}"
        return StreamRequest(
            message,
            session.id if session is not None else None,
            options.jwts[number % len(options.jwts)] if options.jwts else None,
            case,
            random.uniform(*options.stop_after) if interrupts else stop_after,
            session.turns if session is not None else (),
            options.api,
            run=uuid.uuid4().hex,
            plain=plain,
        )

    def ask(self, ask: StreamRequest, *, intended_at: float = 0.0) -> StreamRecording:
        """Ask over HTTP and wait for the end. `intended_at`: when the request was due, if not now."""
        recording = self._asked(ask, intended_at)
        self._over(recording)
        return recording

    def _asked(self, ask: StreamRequest, intended_at: float = 0.0) -> StreamRecording:
        return ask_over_http(
            self.target,
            ask,
            source=self.sources.next(),
            limits=self.options.limits,
            intended_at=intended_at,
            began=self._began,
        )

    def talk(
        self, ask: StreamRequest, session: UserSession | None = None, reader: SocketReader | None = None
    ) -> Reading:
        """Ask, and parse the reply at once, for a user who needs it for the next ask. `reader`: ask over Socket.IO."""
        recording = self._asked(ask) if reader is None else reader.ask(ask, began=self._began)
        gevent.sleep(0)  # what has arrived for others is stamped first
        reading = self._understood(recording)
        if session is not None:
            session.heard(ask, reading)
        self._over(recording, reading)
        return reading

    def connect(self, intended_at: float = 0.0) -> SocketReader | None:
        """Open a Socket.IO connection; None where that fails, which counts as a refused stream."""
        began = time.monotonic()
        try:
            return SocketReader(self.target, source=self.sources.own(), limits=self.options.limits)
        except ConnectionFailed as error:
            event = self.options.api.emit(self.compose().conversation).event
            recording = StreamRecording(Transport.WEBSOCKET, began, intended_at, asked=(SOCKET_IO, event))
            recording.status = error.status if isinstance(error, SocketRefused) else None
            recording.ended(time.monotonic(), error.end, str(error))
            self._began(recording)
            self._over(recording)
            return None

    def ask_on(self, reader: SocketReader, ask: StreamRequest, *, intended_at: float = 0.0) -> StreamRecording:
        """Ask on a Socket.IO connection and wait for the end."""
        recording = reader.ask(ask, intended_at=intended_at, began=self._began)
        self._over(recording)
        return recording

    def _began(self, recording: StreamRecording) -> None:
        self.live[id(recording)] = recording

    def _over(self, recording: StreamRecording, reading: Reading | None = None) -> None:
        if self.live.pop(id(recording), None) is not None:  # else it was taken when the run ended
            self._waiting.append((recording, reading))
            self._wake.set()

    # -- understanding

    def _understand_all(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if len(self._waiting) < BACKLOG:
                    gevent.idle()
                else:
                    gevent.sleep(0)
                if not self._waiting:
                    continue
                recording, reading = self._waiting.popleft()
                self.take(recording, reading or self._understood(recording))

    @staticmethod
    def _understood(recording: StreamRecording) -> Reading:
        if recording.size <= LARGE:
            return understand(recording)
        reading: Reading = gevent.get_hub().threadpool.apply(understand, (recording,))
        return reading

    def take(self, recording: StreamRecording, reading: Reading | None = None) -> None:
        """Count one recording; `reading`: the same, parsed already."""
        reading = reading or understand(recording)
        if reading.detail:
            reading.detail = redacted(reading.detail)  # a server may echo what it was sent
        if recording.intended_at < self.measure_from:
            self.metrics.trust["warm-up"] += 1
            self.on_reading(reading)
            return
        self.metrics.take(reading)
        if reading.outcome is StreamOutcome.COMPLETE and not recording.plain:
            self._keep(recording)
        if self.lookup is not None:
            self.lookup.take(reading)
        self.on_reading(reading)

    def _keep(self, recording: StreamRecording) -> None:
        """Keep a sample for the strict checks, which are too slow to run while other streams are being stamped."""
        number = next(self._taken)
        if number % self.options.sample or recording.size > MOST_CHECKED_BYTES:
            return
        if len(self._sampled) < MOST_CHECKED:
            self._sampled.append(recording)
        else:
            self._sampled[random.randrange(MOST_CHECKED)] = recording

    def _check(self, recording: StreamRecording) -> None:
        try:
            found = violations(recording, anonymous=not self.options.jwts)
        except (NotHttp, BadFrame):
            return  # counted by `understand` already
        self.metrics.violated([(name, replace(one, seen=redacted(one.seen))) for name, one in found])
        if found:  # it looked complete
            self.metrics.condemn(understand(recording))

    def swap(self) -> Metrics:
        """Take the figures since the last call, and count from zero again."""
        taken, self.metrics = self.metrics, self._fresh()
        return taken

    def finish(self, patience: float) -> None:
        """Parse everything that is left. A stream that has been silent for `patience` seconds timed out; one that still
        sent is unfinished, which is not a failure."""
        self.closing.set()
        now = time.monotonic()
        for recording in list(self.live.values()):
            last = recording.times[-1] if recording.times else recording.asked_at
            if now - last >= patience:
                recording.ended(now, End.TIMEOUT, f"nothing arrived for {now - last:.0f} s when the run ended")
            else:
                recording.unfinished = recording.end is None
                recording.ended(now, End.LEFT)
            self._waiting.append((recording, None))
        self.live.clear()
        while self._waiting:
            self.take(*self._waiting.popleft())
        for recording in self._sampled:
            self._check(recording)
        self._sampled.clear()
        if self.lookup is not None:
            self._note(self.lookup.rest())

    @staticmethod
    @contextmanager
    def quiet() -> Iterator[None]:
        """Keep the garbage collector from delaying stamps: a full collection takes tens of milliseconds. Objects that
        exist already are not examined, and collections are rare."""
        before, switching = gc.get_threshold(), sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 1_000)
        try:
            yield
        finally:
            sys.setswitchinterval(switching)
            gc.set_threshold(*before)
            gc.unfreeze()

    def close(self) -> None:
        """Stop the background greenlets."""
        gevent.killall(self._greenlets)
        if self.lookup is not None:
            self.lookup.close()
