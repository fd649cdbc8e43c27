"""What a started process prints, in bounded memory: its beginning and its end."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import IO, Final

from chatproof.harness.common.redaction import redacted
from chatproof.harness.protocol.excerpts import CUT

HEAD: Final = 64 * 1024  # bytes kept of the beginning
TAIL: Final = 256 * 1024  # bytes kept of the end
_READ: Final = 1 << 20  # bytes, at most, in one read
_F_SETPIPE_SZ: Final = 1031  # fcntl's, on Linux alone
_LEFT_OVERS: Final = 0.5  # seconds to wait for the last bytes of a process that has ended
_CRASHED: Final = "\n[chatproof: the server crashed here]\n"


class KeptOutput:
    """The first `HEAD` and the last `TAIL` bytes of an output. A thread drains the pipe: the process never waits for a
    reader for long, however much it prints, and no file grows.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pipe: IO[bytes] | None = None

    def drain(self, pipe: IO[bytes]) -> None:
        """Read an unbuffered pipe until its end, in the background. `close` closes it."""
        with contextlib.suppress(ImportError, OSError):  # a larger pipe: a process that floods it waits less often
            import fcntl

            fcntl.fcntl(pipe, _F_SETPIPE_SZ, _READ)
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def feed(self, data: bytes) -> None:
        """Append bytes."""
        with self._lock:
            self._total += len(data)
            room = HEAD - len(self._head)
            self._head += data[:room]
            self._tail += data[room:][-TAIL:]
            if len(self._tail) > 2 * TAIL:
                del self._tail[:-TAIL]

    def text(self) -> str:
        """What is kept, with a line between beginning and end that says how much is missing there. Not redacted."""
        if self._thread:
            self._thread.join(_LEFT_OVERS)  # over at once where the process has ended
        with self._lock:
            head, tail = bytes(self._head), bytes(self._tail[-TAIL:])
            missing = self._total - len(head) - len(tail)
        if not missing:
            return (head + tail).decode("utf-8", "replace")
        gap = f"{CUT}\n[{missing} bytes are not kept]\n{CUT}"
        return head.decode("utf-8", "replace") + gap + tail.decode("utf-8", "replace")

    def note_crash(self) -> None:
        """Draw a line below what the server printed until it crashed."""
        self.feed(_CRASHED.encode())

    def latest(self) -> str:
        """What is kept since the last crash. Not redacted."""
        return self.text().rpartition(_CRASHED)[2]

    def write(self, path: Path) -> None:
        """Write what is kept to a file, redacted. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(redacted(self.text()), encoding="utf-8", errors="backslashreplace")

    def close(self) -> None:
        """Close the pipe. What a process that has outlived the server still prints is lost."""
        if self._thread:
            self._thread.join(_LEFT_OVERS)
        if self._pipe:
            self._pipe.close()

    def _read(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: it was closed meanwhile
            while data := pipe.read(_READ):
                self.feed(data)
