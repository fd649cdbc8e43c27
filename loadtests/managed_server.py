"""A server under test that the run starts and stops by itself, with fake providers behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chatproof.fake_providers.dialects.provider_variables import server_variables
from chatproof.fake_providers.server.launcher import FakesStartError, start_fakes
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import DEFAULTS
from chatproof.harness.common.started_server import StartedServer, free_port
from chatproof.harness.common.target import Target

START_S: float = DEFAULTS["start_timeout"]
"""Seconds that the server may take until it listens: as long as the conformance suite waits by default."""


@contextmanager
def managed_server(command: str, scripts: tuple[str, ...] = ()) -> Iterator[tuple[Target, str]]:
    """Start fake providers and the server; give the server's target and the fakes' URL; stop both at the end.

    Args:
        command: the server's; `{port}` in it is replaced by a free port. What it prints is kept, and repeated only
            when it does not start: it would tear apart the lines that show the run's progress.
        scripts: folders of further scripts for the fakes.

    Raises:
        ChatproofError: the fakes or the server did not start; one line.
    """
    try:
        fakes = start_fakes(scripts=[Path(folder) for folder in scripts])
    except FakesStartError as error:
        raise ChatproofError(str(error)) from error
    with fakes:
        variables = server_variables("openai", fakes.url)
        server = StartedServer.start(command, variables, free_port(), START_S)
        try:
            yield server.target, fakes.url
        finally:
            server.stop()
