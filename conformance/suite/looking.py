"""The first look at a server: does it serve several clients at once, and does it keep them apart?"""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.suite.opening import first_ask
from conformance.suite.run import Run
from harness.http import Exchange
from harness.protocol.checks.sio import CHAT_KINDS
from harness.protocol.checks.tok import same_words
from harness.protocol.requirements import Profile
from harness.protocol.transcript import Transcript, Transport
from harness.socketio import NotConnected, SocketClient

AT_ONCE = 6  # tests that share a server
LONG, SHORT = "paced", "hello"
LINGER = 0.3  # seconds that what goes to everybody may take to a bystander


async def serves_side_by_side(run: Run) -> bool:
    """A short reply overtakes long ones, each is its own, and a bystander hears nothing of them.

    Where the suite has one address only it goes on as one client does.
    """
    if not run.pacer.addresses.available:
        return False
    bystander = asker = None
    try:
        if Profile.SOCKETIO in run.settings.profiles:
            bystander, asker = (
                SocketClient(run.target, Transport.WEBSOCKET, run.pacer.addresses.fresh()) for _ in range(2)
            )
            await bystander.connect()
            await asker.connect()
            told = await asker.emit("chat_stream", _body(run, SHORT)[0])
            await asker.terminal(told, run.settings.silence)
        long = [asyncio.ensure_future(_reply(run, LONG)) for _ in range(AT_ONCE - 1)]
        await asyncio.sleep(LINGER)
        short = await _reply(run, SHORT)
        overtook = not any(one.done() for one in long)
        replies = [short, *(await asyncio.gather(*long))]
        await asyncio.sleep(LINGER)
        heard = bystander is not None and bystander.strays.of(*CHAT_KINDS)
        assert run.provider is not None
        own = [
            run.succeeded(reply) and same_words(reply.text, run.provider.text(script))
            for reply, script in zip(replies, (SHORT, *[LONG] * len(long)), strict=True)
        ]
        return overtook and all(own) and not heard
    except NotConnected:
        return False
    finally:
        for client in (bystander, asker):
            if client is not None:
                await client.disconnect()


def _body(run: Run, script: str) -> tuple[dict[str, Any], str]:
    case = run.new_case()
    return {"message": run.message("Please say hello.", script, case), "session_id": run.new_session()}, case


async def _reply(run: Run, script: str) -> Transcript:
    body, case = _body(run, script)
    ask = first_ask(run.target, body["message"], body["session_id"])
    exchange = Exchange(run.target, ask, run.pacer.addresses.fresh(), run.pacer.deadlines)
    exchange.transcript.case = case
    return await exchange.start().finish()
