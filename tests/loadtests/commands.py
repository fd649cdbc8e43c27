"""Many `chatproof load` commands in one process: Locust is loaded once for all of them, which takes most of a second.

They run side by side, as greenlets of the process that `python -m tests.loadtests.commands` is.
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import Any

from tests.loadtests.kit import ROOT

Made = subprocess.CompletedProcess[str]


class Commands:
    """The process, from outside. `run` may be called by several threads at once."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.loadtests.commands"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=ROOT, **pipes)
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._awaited: dict[int, Future[Made]] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(self, *words: str, timeout: float = 120) -> Made:
        """Run `chatproof load WORDS` and give its exit code and what it printed."""
        with self._lock:
            number = next(self._numbers)
            done = self._awaited[number] = Future()
            assert self._process.stdin is not None
            self._process.stdin.write(f"{json.dumps([number, words])}\n")
            self._process.stdin.flush()
        return done.result(timeout)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, code, out, err = json.loads(line)
            self._awaited.pop(number).set_result(subprocess.CompletedProcess([], code, out, err))
        for waiting in self._awaited.values():
            waiting.set_exception(RuntimeError("the process of the load commands has ended"))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._listener.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


def serve() -> None:
    """Read commands from standard input until it ends; answer on standard output, in the order in which they end."""
    import gevent  # type: ignore[import-untyped]  # gevent ships no types
    import locust  # noqa: F401  # first of all: it patches the standard library
    from gevent.fileobject import FileObject  # type: ignore[import-untyped]
    from gevent.local import local  # type: ignore[import-untyped]

    from chatproof.loadtests.load_command import main

    answers, errors, own = sys.stdout, sys.stderr, local()

    class Printed(io.TextIOBase):
        """What the command of the current greenlet prints; the process's own standard error for all others."""

        def __init__(self, name: str) -> None:
            self._name = name

        def write(self, text: str) -> int:
            return int(getattr(own, self._name, errors).write(text))

    def run(number: int, words: list[str]) -> None:
        own.out, own.err = io.StringIO(), io.StringIO()
        try:
            code: Any = main(words)
        except SystemExit as end:
            code = end.code
        answers.write(f"{json.dumps([number, code, own.out.getvalue(), own.err.getvalue()])}\n")
        answers.flush()

    sys.stdout, sys.stderr = Printed("out"), Printed("err")
    running = [gevent.spawn(run, *json.loads(line)) for line in FileObject(0, "r", close=False)]
    gevent.killall([one for one in running if not one.dead], timeout=5)


if __name__ == "__main__":
    serve()
