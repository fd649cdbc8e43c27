"""Another Python process that is asked in lines of JSON, and answers in lines of JSON.

The parent sends {"id": 1, ...} to standard input; the child answers {"id": 1, ...} on standard output, in any order.
Where it cannot, it sends {"id": 1, "error": traceback}.

The child ends when its standard input ends, so it never outlives its parent.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
LINE = 1 << 24  # bytes of one line, at most

Answer = dict[str, Any]


class LineProcess:
    """`python -m MODULE`, from `with` to its end. `ask` may be called from any thread."""

    def __init__(self, module: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, question: Answer) -> Future[Answer]:
        """Send a question.

        The future raises RuntimeError with the child's traceback where the answer failed, and ChildProcessError where
        the child ended before it answered.
        """
        number, future = next(self._numbers), Future[Answer]()
        assert self.process.stdin is not None
        with self._lock:
            self._waiting[number] = future
        try:
            with self._lock:
                self.process.stdin.write(json.dumps({**question, "id": number}).encode() + b"\n")
                self.process.stdin.flush()
        except OSError:
            self._give_up()
        return future

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            with self._lock:
                future = self._waiting.pop(answer.pop("id"))
            if "error" in answer:
                future.set_exception(RuntimeError(answer["error"]))
            else:
                future.set_result(answer)
        self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            left, self._waiting = list(self._waiting.values()), {}
        for future in left:
            future.set_exception(ChildProcessError(f"{self.process.args!r} ended with code {self.process.wait()}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the child, on the quickest event loop that is installed, and look for garbage less often: transcripts are
    many objects and no garbage."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


async def answer_lines(answer: Callable[[Answer], Awaitable[Answer]]) -> None:
    """The child's side: answer every line of standard input, side by side, until the input ends."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def one(question: Answer) -> None:
        number = question.pop("id")
        try:
            found = await answer(question)
        except Exception:
            found = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps({**found, "id": number}) + "\n")
        sys.stdout.flush()

    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(one(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
