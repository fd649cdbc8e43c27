"""How a test names the rows that it judges, its transports, and what it may run beside.

If a server was seen to serve several clients at once (`Lane.side_by_side`), tests share it: first those that ask
without a session id, then those that ignore time, then a few at once of those that measure it, then those that must run
alone. Otherwise its tests run one after the other, so that a slow server, or one that mixes up clients, fails only the
rows about that.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import pytest

from chatproof.harness.protocol.transcript import Transport

TestBody = Callable[..., Awaitable[None]]
ALONE_GROUPS = ("INT", "PERF")  # a server that cancels other replies, or is slow, must fail only there


class When(Enum):
    """When a test runs. Tests that mostly wait run beside the others, so that a run takes a minute."""

    FIRST = "before odd requests, which may spoil the history that all asks without an id share on a faulty server"
    IN_TURN = "beside tests that ignore time"
    QUIET = "beside tests that measure time, which put hardly any load on a server"
    ALONE = "alone, but for tests that only wait"
    FROM_THE_START = "from the start, beside all others"
    AFTER_SOCKETS = "beside all others; if a server mixes up clients, beside those without Socket.IO"
    LONG = "beside all others, though it keeps the server busy; last, if a server serves few clients at once"


IN_THE_BACKGROUND = (When.FROM_THE_START, When.AFTER_SOCKETS, When.LONG)


def requirement(
    *ids: str, when: When | None = None, of_array: bool = False, of_document: bool = False
) -> Callable[[TestBody], Callable[..., None]]:
    """Name the rows that a test judges. Each named row needs at least one check in the test.

    `of_array`: it tries many situations, which the contract's first revision did not ask for. With `--only` it is run
    where its first row is named. `of_document`: it asks in the API document's own words, and so is left out where the
    server speaks another api.

    The test is run by the suite on its own event loop, whatever plugins and modes for asyncio the user has:
    to pytest it is an ordinary function.
    """
    if when is None:
        when = When.ALONE if ids[0].startswith(ALONE_GROUPS) else When.IN_TURN

    def decorate(body: TestBody) -> Callable[..., None]:
        @functools.wraps(body)
        def test(**_: Any) -> None:
            raise RuntimeError("this test is run by the conformance suite's own hooks")

        vars(test).update(chatproof_body=body, chatproof_when=when, chatproof_of_array=of_array)
        vars(test).update(chatproof_of_document=of_document)  # all are read by those hooks
        marked: Callable[..., None] = pytest.mark.requirement(*ids)(test)
        return marked

    return decorate


over_both = pytest.mark.parametrize(
    "transport", [Transport.SSE, Transport.WEBSOCKET], ids=[Transport.SSE.value, Transport.WEBSOCKET.value]
)
over_sockets = pytest.mark.parametrize(
    "transport", [Transport.WEBSOCKET, Transport.POLLING], ids=[Transport.WEBSOCKET.value, Transport.POLLING.value]
)
_OF_SOCKETS = [Transport.WEBSOCKET, Transport.POLLING, Transport.UPGRADED]
over_each_socket = pytest.mark.parametrize("transport", _OF_SOCKETS, ids=[one.value for one in _OF_SOCKETS])
_PLAIN = [Transport.SSE, Transport.WEBSOCKET, Transport.POLLING]
over_all = pytest.mark.parametrize("transport", _PLAIN, ids=[one.value for one in _PLAIN])
