"""Asks the fake providers' journal about streams: what the server itself added, and when it hung up on the provider."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from chatproof.fake_providers.journal.control_client import FakesError
from chatproof.fake_providers.journal.control_client_sync import FakesSync
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.protocol.transcript import Transport
from chatproof.loadtests.readers.reading import Reading

_WAITING: Final = 40
_SAME_CLOCK: Final = 0.05
_CANCEL_S: Final = 5.0


class JournalLookup:
    """Looks up a sample of the streams. Creating it raises ChatproofError where no fake providers answer at `url`."""

    def __init__(self, url: str) -> None:
        self._fakes = FakesSync(url)
        try:
            before = time.monotonic()
            health = self._fakes.health()
            # fakes on another machine have another clock: then only intervals of their own can be used
            self._same_clock = before - _SAME_CLOCK <= float(health["monotonic"]) <= time.monotonic() + _SAME_CLOCK
        except (FakesError, KeyError, TypeError, ValueError) as error:
            self._fakes.close()
            raise ChatproofError(f"--provider-url: {error}") from error
        self._waiting: deque[Reading] = deque(maxlen=_WAITING)

    def take(self, reading: Reading) -> None:
        """Queue a stream. Where the queue is full, the oldest stream is dropped."""
        if reading.recording.case and (reading.token_times or reading.recording.stopped_at is not None):
            self._waiting.append(reading)

    def step(self) -> list[tuple[str, float]]:
        """Look up one queued stream: metrics and their values in seconds; nothing where the queue is empty."""
        return self.look_up(self._waiting.popleft()) if self._waiting else []

    def rest(self, seconds: float = 5.0) -> list[tuple[str, float]]:
        """Look up the rest of the queue, for `seconds` at most."""
        give_up = time.monotonic() + seconds
        found = []
        while self._waiting and time.monotonic() < give_up:
            found += self.step()
        return found

    def look_up(self, reading: Reading) -> list[tuple[str, float]]:
        """Measure one stream. Nothing where the journal has dropped it or the fakes are busy."""
        recording = reading.recording
        try:
            if recording.stopped_at is None:
                entries = self._fakes.entries(recording.case)
            else:
                entries = self._fakes.wait_ended(recording.case, timeout=_CANCEL_S)
        except FakesError:
            return []
        return self._measured(reading, entries[-1]) if entries else []

    def _measured(self, reading: Reading, entry: Entry) -> list[tuple[str, float]]:
        stopped_at = reading.recording.stopped_at
        written = [write.at for write in entry.writes if write.tokens]
        spoken = next((write.at for write in entry.writes if write.text), None)  # the model's thoughts have no text
        found = []
        if spoken is not None and reading.first_token is not None:
            found.append(("overhead", reading.first_token - (spoken - entry.received)))
        if stopped_at is None or not self._same_clock:
            return found
        if entry.ended in ("client_closed", "client_reset") and entry.ended_at is not None:
            found.append(("upstream_cancel", entry.ended_at - stopped_at))
        if written and reading.recording.transport is Transport.SSE:
            # after its hang-up the client reads nothing: take the last token that the provider wrote
            found.append(("stop_to_last_token", written[-1] - stopped_at))
        return found

    def close(self) -> None:
        self._fakes.close()
