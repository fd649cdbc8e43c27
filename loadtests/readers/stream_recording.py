"""What arrived, byte for byte, with the time of each read; not parsed yet."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.transcript import End, Transport


@dataclass(slots=True)
class StreamRecording:
    """One ask and its answer as raw reads: a whole HTTP response, or WebSocket frames. `api`: what the server speaks.
    `asked`: the request's method and path, or `Socket.IO` and the event's name.

    Times are time.monotonic() in seconds. `intended_at`: when the request was due; latency counts from there.
    `asked_at`: when work on it began. `lags`: seconds between the kernel's receive stamp of a read and ours, where the
    system has such stamps. `plain`: the answer is one JSON body. `status`: of a refused upgrade. `stopped_at`: when the
    user hung up; `listened`: whether what arrived afterwards was recorded. `unfinished`: the run ended first.
    """

    transport: Transport
    asked_at: float
    intended_at: float = 0.0
    plain: bool = False
    case: str = ""
    connected_at: float | None = None
    times: list[float] = field(default_factory=list)
    reads: list[bytes] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    size: int = 0
    status: int | None = None
    end: End | None = None
    ended_at: float = 0.0
    fault: str = ""
    stopped_at: float | None = None
    listened: bool = False
    unfinished: bool = False
    api: Api = CHAT_STREAM
    asked: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self.intended_at = self.intended_at or self.asked_at

    def append(self, at: float, data: bytes) -> None:
        self.times.append(at)
        self.reads.append(data)
        self.size += len(data)

    def ended(self, at: float, end: End, fault: str = "") -> None:
        """Note how it ended. Only the first call counts."""
        if self.end is None:
            self.end, self.ended_at, self.fault = end, at, fault

    def patience(self, silence: float, whole: float) -> float:
        """Seconds that the next bytes may take, where the server may be silent for `silence` seconds and take `whole`
        for the reply. 0: it has timed out, which is noted."""
        now = time.monotonic()
        last, give_up = self.times[-1] if self.times else self.asked_at, self.asked_at + whole
        if (until := min(give_up, last + silence)) > now:
            return until - now
        late = f"not finished after {whole:g} s" if now >= give_up else f"nothing arrived for {silence:g} s"
        self.ended(now, End.TIMEOUT, late)
        return 0.0

    @property
    def raw(self) -> bytes:
        return b"".join(self.reads)
