"""The fake providers as a subprocess that never outlives its parent."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from chatproof.harness.common.child_process import first_line, launch, module_command, stop

_URL: Final = re.compile(r"http://\S+")
_STOP_SECONDS: Final = 5.0


class FakesStartError(RuntimeError):
    """The fakes did not start. One line that says why."""


class FakesProcess:
    """Running fakes: `url` is their root, without a slash. Stop them with `stop` or `with`."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.pid = process.pid
        self._process = process

    @property
    def openai_base_url(self) -> str:
        """The value for OPENAI_BASE_URL."""
        return f"{self.url}/v1"

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process and its children. Does nothing if it has ended already."""
        stop(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_fakes(
    port: int = 0, *, host: str = "127.0.0.1", scripts: Sequence[Path] = (), deadline: float = 15.0
) -> FakesProcess:
    """Start `python -m fake_providers` and wait until it listens.

    `port` 0: a free one; `scripts`: folders of further scripts; `deadline` in seconds.
    Raises FakesStartError, with the last line that the process printed, if it does not listen in time.
    """
    command = module_command("fake_providers", "--host", host, "--port", str(port), "--until-stdin-closes")
    for folder in scripts:
        command += ["--scripts", str(folder)]
    with tempfile.TemporaryFile() as errors:
        # the end of its standard input is the child's signal to end, also when we are killed
        process = launch(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        if url := _URL.search(first_line(process, deadline)):
            return FakesProcess(url.group(), process)
        stop(process)
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip().splitlines()
    if said:
        raise FakesStartError(f"the fake providers did not start: {said[-1]}")
    raise FakesStartError(f"the fake providers did not say within {deadline:g} s where they listen")
