"""The first ask of a lane: is this a chat server, and does it ask the fakes?"""

from __future__ import annotations

import asyncio

from chatproof.conformance.suite.lane import ERROR_LINE, Lane
from chatproof.conformance.suite.provider import DUE, Upstream
from chatproof.conformance.suite.setup import DIALECTS, why_unfit
from chatproof.fake_providers.dialects.provider_variables import KEY_VARIABLES, URL_VARIABLES, server_variables
from chatproof.fake_providers.journal.control_client import Entry, Fakes, FakesError
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.client.socketio import NotConnected
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.first_error import first_error
from chatproof.harness.common.redaction import clipped
from chatproof.harness.common.started_server import listens
from chatproof.harness.protocol.apis.api import Api, Conversation
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.sse_parser import Event, written
from chatproof.harness.protocol.transcript import End, Transcript, Transport

FIRST_ASKS = 3  # before the run is given up: a server may lose one ask now and then, which is for the rows to judge
PAUSE = 0.3  # seconds between them
TRIED = 2.0  # seconds to wait for a provider request of a provider that nobody declared


async def first_ask(lane: Lane) -> None:
    """Ask, and note in the lane's state what came of it. An ask that fails at once is repeated twice.

    Raises:
        ChatproofError: nobody answers, so there is nothing to judge.
    """
    if url := lane.scene.fakes_url:
        lane.provider = Upstream(Fakes(url), due=lane.settings.allowed(DUE), open_door=lane.open_door)
        try:
            await lane.provider.open()
        except FakesError as error:
            raise ChatproofError(f"--provider-url: {error}") from error
    reply = await _reply(lane)
    for _ in range(FIRST_ASKS - 1):
        is_final = reply.end in (End.TIMEOUT, End.TOO_LARGE) or reply.status == 429 or lane.state.crashes
        if not lane.state.unfit or is_final:
            break
        await asyncio.sleep(PAUSE)
        reply = await _reply(lane)
    started = lane.scene.server if not lane.state.crashes else None  # the crash tells it
    if lane.state.unfit and started and (cause := first_error(started.output.text())):
        lane.state.unfit += f"; the server's own output says: {clipped(cause, ERROR_LINE)}"
    if lane.provider and not lane.state.unfit and reply.asked_at:
        await _know_provider(lane, reply, lane.provider)
    if not lane.state.unfit and (doubt := doubt_of_table(lane.api, reply)):
        lane.say(doubt)
    lane.state.has_provider = lane.provider is not None


def doubt_of_table(api: Api, reply: Transcript) -> str:
    """What an ordinary reply shows to be wrong with the table of an own api, or nothing."""
    if api.name in KNOWN_APIS or reply.status != 200 or reply.of(Kind.ERROR):
        return ""
    events = [written(one.item).strip() for one in reply.items if isinstance(one.item, Event) and one.item.data]
    if not reply.tokens:
        missing = "text"
    elif not reply.terminal:
        missing = "end"
    else:
        return ""
    if not events:
        return ""
    shows = shown(events[len(events) // 2 if missing == "text" else -1], 200)
    return (
        f"the table of the api {api.name} finds no {missing} in an ordinary reply of {counted(len(events), 'event')}, "
        f"such as {shows}: is the rule [api.{missing}] right?"
    )


def first_profile(lane: Lane) -> Profile:
    """The profile whose way of asking every selected row has: the first ask goes that way, so that its rows can be
    judged where SSE is broken."""
    rows = [set(lane.contract[name].profiles) for name in lane.settings.selected(lane.contract)]
    common = set.intersection(*rows) if rows else set()
    return next((one for one in (Profile.SOCKETIO, Profile.CHAT) if one in common), Profile.CORE)


async def _reply(lane: Lane) -> Transcript:
    case, profile = lane.new_case(), first_profile(lane)
    conversation = lane.conversation("Please say hello.", "hello", case)
    if profile is Profile.SOCKETIO:
        return await _reply_over_sockets(lane, conversation, case)
    ask = CHAT_STREAM.ask_chat(conversation) if profile is Profile.CHAT else lane.api.ask(conversation)
    waited = 0.0
    while True:
        await lane.budget.pace(ask.path)
        source = lane.budget.addresses.fresh()
        exchange = lane.exchange(HttpRequest.of(ask), source, _deadlines(lane), case=case, script="hello")
        reply = await exchange.start().finish()
        if reply.status is None and (crashed := await lane.life.first_end(reply.request)):
            lane.state.unfit = crashed
            return reply
        if reply.status != 429 or waited:
            lane.state.unfit = why_unfit(exchange, lane.provider is not None, waited)
            lane.completes = reply.completion is not None or reply.terminal is not None
            return reply
        waited = await lane.budget.wait_out(reply, 0)


def _deadlines(lane: Lane) -> Deadlines:
    return Deadlines(silence=lane.settings.silence, whole=lane.settings.silence * 3)


async def _reply_over_sockets(lane: Lane, conversation: Conversation, case: str) -> Transcript:
    """A reply over Socket.IO. Where no socket can be opened it is empty, and SIO-01 says why."""
    if not listens(lane.target.host, lane.target.port):
        raise ChatproofError(f"{lane.target.url}: connection refused: is the server running there?")
    for transport in (Transport.WEBSOCKET, Transport.POLLING):
        client = lane.socket(transport, lane.budget.addresses.fresh())
        try:
            await client.connect()
            reply = await client.ask(lane.api.emit(conversation))
            reply.case = case
            await client.terminal(reply, _deadlines(lane))
        except NotConnected:
            continue
        finally:
            await client.disconnect()
        lane.completes = reply.terminal is not None
        return reply
    return Transcript(Transport.WEBSOCKET, case=case)


async def _know_provider(lane: Lane, reply: Transcript, provider: Upstream) -> None:
    """Check that the server asks the fakes, as the provider that it was told to use."""
    # the reply is over: a request to a provider that was only tried is there by now, or never comes
    await provider.asked(reply, *([] if lane.settings.declares_providers else [TRIED]))
    entries, state = await provider.entries(reply), lane.state
    if any(_is_as_told(entry, state.name) for entry in entries):
        return
    has_failed = not entries and (bool(reply.of(Kind.ERROR)) or reply.end is End.TIMEOUT)
    if entries:
        asked_as = entries[0].provider
        why = f"asked its provider as {asked_as}, not as {state.name}: does it use LLM_PROVIDER={state.name}?"
        do = "let its code choose the provider by LLM_PROVIDER"
        if asked_as in DIALECTS:
            do += f", or judge it with --provider {asked_as}"
    else:
        how = f"failed ({reply.outcome()})" if has_failed else "answered"
        variable = URL_VARIABLES[state.name]
        why = f"{how} without asking the fake providers at {provider.fakes.url}: does it use {variable}?"
        do = f"let its code take the provider's base URL from {variable}"
    await provider.fakes.aclose()
    lane.provider, state.missing, state.no_provider = None, True, f"the server {why}"
    state.advice = f"{_given(state.name, provider.fakes.url, bool(lane.settings.start))}: {do}."
    if has_failed:
        state.stopped = state.no_provider  # each row would fail for this one reason


def _is_as_told(entry: Entry, name: str) -> bool:
    """Whether the server asked that provider. With a key it meant OpenAI, whatever the model is called."""
    meant_openai = entry.provider == "local" and entry.path.startswith("/v1/") and "authorization" in entry.headers
    return entry.provider in DIALECTS[name] or (name == "openai" and meant_openai)


def _given(name: str, fakes_url: str, was_started: bool) -> str:
    """The variables that the server was given, or should be, in words."""
    values = server_variables(name, fakes_url)
    told = [f"{one}={values[one]}" for one in (URL_VARIABLES[name], "LLM_PROVIDER")]
    if name in KEY_VARIABLES:
        told.append(KEY_VARIABLES[name])
    start = "The suite started the server with" if was_started else "Start the server with"
    return f"{start} {', '.join(told)}"
