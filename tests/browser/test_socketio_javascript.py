"""The official JavaScript Socket.IO client, from Node, against the reference server."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any, Final

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from tests.browser.site import Site, running
from tests.clients.node import needs, run

JS: Final = Path(__file__).parent / "js"
PACED: Final = "A train leaves the station on time, and every carriage follows the one before it down the line."

pytestmark = needs("socket.io-client", JS)
transports = pytest.mark.parametrize("transport", ["websocket", "polling"])


async def play(what: str, site: Site, transport: str, message: str) -> Any:
    """The answers that the client received: {tokens, terminal, data} of each ask."""
    played = await run("socketio.mjs", what, site.url, transport, message, folder=JS)
    return played["answers"]


@transports
async def test_a_reply_is_whole_and_in_order(site: Site, transport: str) -> None:
    played = await run("socketio.mjs", "reply", site.url, transport, "scenario paced", folder=JS)
    assert played["transport"] == transport
    (answer,) = played["answers"]
    assert [token["count"] for token in answer["tokens"]] == list(range(1, 21))
    assert "".join(token["token"] for token in answer["tokens"]) == answer["tokens"][-1]["partial"] == PACED
    assert answer["terminal"] == "chat_complete"
    assert answer["data"]["tokens"] == 20
    assert answer["data"]["duration"] > 0.9


@transports
async def test_bad_payloads_are_refused_and_the_socket_stays_usable(site: Site, transport: str) -> None:
    *refused, good = await play("bad", site, transport, "scenario three-tokens")
    for answer in refused:
        assert (answer["terminal"], answer["tokens"]) == ("chat_stream_error", [])
        assert answer["data"]["error"].strip()
    assert (good["terminal"], len(good["tokens"])) == ("chat_complete", 3)


@transports
async def test_a_disconnect_cancels_the_provider(site: Site, transport: str) -> None:
    case = uuid.uuid4().hex
    (answer,) = await play("leave", site, transport, f"scenario minute case {case}")
    assert answer["terminal"] == "disconnect"
    async with Fakes(site.fakes_url) as journal:
        entry = await journal.assert_cancelled(case, within=2.0)
        assert entry.ended in ("client_closed", "client_reset")


@transports
async def test_the_client_reconnects_after_a_restart(site: Site, settings: dict[str, str], transport: str) -> None:
    case = uuid.uuid4().hex
    with running(settings) as first:
        playing = asyncio.create_task(play("reconnect", first, transport, f"scenario minute case {case}"))
        async with Fakes(site.fakes_url) as journal:
            await journal.wait_tokens(case, 3, timeout=30)
        first.process.kill()
        first.process.wait(10)
        with running(settings, port=first.port):
            lost, answer = await playing
    assert lost["terminal"] == "disconnect"
    assert (answer["terminal"], len(answer["tokens"])) == ("chat_complete", 3)
