"""How a test says which requirements it judges, over which transports, and when it runs."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import pytest

from harness.protocol.transcript import Transport

TestBody = Callable[..., Awaitable[None]]


class When(Enum):
    """When a test runs. Those that mostly wait run beside the others, so that a run takes a minute."""

    IN_TURN = "in turn"
    FROM_THE_START = "from the start, beside all others"
    AFTER_SOCKETS = "beside the tests that use no Socket.IO, which all others come before"


def requirement(*ids: str, when: When = When.IN_TURN) -> Callable[[TestBody], Callable[..., None]]:
    """Name the rows that a test judges. Each named row needs at least one check in the test.

    The test is run by the suite on its own event loop, whatever plugins and modes for asyncio the user has:
    to pytest it is an ordinary function.
    """

    def decorate(body: TestBody) -> Callable[..., None]:
        @functools.wraps(body)
        def test(**_: Any) -> None:
            raise RuntimeError("this test is run by the conformance suite's own hooks")

        vars(test).update(chatproof_body=body, chatproof_when=when)  # read by those hooks
        marked: Callable[..., None] = pytest.mark.requirement(*ids)(test)
        return marked

    return decorate


over_both = pytest.mark.parametrize(
    "transport", [Transport.SSE, Transport.WEBSOCKET], ids=[Transport.SSE.value, Transport.WEBSOCKET.value]
)
over_sockets = pytest.mark.parametrize(
    "transport", [Transport.WEBSOCKET, Transport.POLLING], ids=[Transport.WEBSOCKET.value, Transport.POLLING.value]
)
over_all = pytest.mark.parametrize("transport", list(Transport), ids=[one.value for one in Transport])
