"""A reverse proxy that passes bytes on as they come and ends as the target ended; a listener sees each exchange."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

import h11
import httpx

from chatproof.fake_providers.record.script_writer import Ending
from chatproof.fake_providers.server.player import reset

_MAX_BODY: Final = 32_000_000
_READ: Final = 65_536
_CONNECT_S: Final = 30.0
_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
_OURS: Final = _HOP | {"host", "content-length", "accept-encoding", "expect"}
"""Request headers that the proxy sets itself. It asks for no compression, so that it can read the reply."""


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def model(self) -> str | None:
        """The requested model; Gemini has it in the path."""
        _, found, rest = self.path.partition("/models/")
        if found:
            return rest.partition(":")[0]
        body = self._json()
        model = body.get("model")
        return model if isinstance(model, str) else None

    @property
    def last_message(self) -> str:
        """The text of the last user message in any provider's request; empty if there is none."""
        spoken = self._spoken()
        if isinstance(spoken, str):
            return spoken
        users = [one for one in spoken if isinstance(one, dict) and one.get("role", "user") == "user"]
        asked = [one for one in users if not _is_result(one)]
        return _text_of(asked[-1]) if asked else ""

    @property
    def after_tool(self) -> bool:
        """Whether any provider's request ends with a tool's result."""
        spoken = self._spoken()
        last = spoken[-1] if isinstance(spoken, list) else None
        return isinstance(last, dict) and _is_result(last)

    def _spoken(self) -> Any:
        body = self._json()
        return body.get("messages") or body.get("contents") or body.get("input") or body.get("prompt") or ""

    def _json(self) -> dict[str, Any]:
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


def _is_result(message: dict[str, Any]) -> bool:
    """Whether it brings a tool's result, in any provider's words. Gemini's and Anthropic's have the user's role."""
    kind, parts, content = str(message.get("type")), json.dumps(message.get("parts")), message.get("content")
    if kind.endswith("_output") or message.get("role") in ("tool", "function") or '"functionResponse":' in parts:
        return True
    last = content[-1] if isinstance(content, list) and content else None
    return isinstance(last, dict) and last.get("type") == "tool_result"


def _text_of(message: dict[str, Any]) -> str:
    content = message.get("content") or message.get("parts") or ""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


class ExchangeListener(Protocol):
    """Sees one exchange: the head, the data, the end."""

    def head(self, status: int, headers: Mapping[str, str]) -> None: ...

    def data(self, data: bytes) -> None: ...

    def end(self, ending: Ending) -> None: ...


class Proxy:
    """Passes requests on to `target`, a URL without a slash at its end. `listen` may return a listener for each."""

    def __init__(self, target: str, listen: Callable[[ProxiedRequest], ExchangeListener | None]) -> None:
        self.url = ""
        self._target = target
        self.listen = listen
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # The environment's proxy must not be used for a target on this machine.
        self.client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=_CONNECT_S), trust_env=not _is_local(urlsplit(target).hostname or "")
        )

    async def start(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(self._connected, host, port)
        bound = self._server.sockets[0].getsockname()
        self.url = f"http://[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"http://{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.aclose()

    async def send(self, exchange: ProxiedRequest) -> httpx.Response:
        """The target's answer to the request, whose body has not been read. httpx's errors."""
        return await self.client.send(forwarded(self.client, self._target, exchange), stream=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await _Downstream(self, reader, writer).serve()
        except (OSError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # the client is gone, speaks no HTTP, or we end
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Downstream:
    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        while (exchange := await self._next_request()) is not None:
            ending = await self._unless_gone(exchange)
            if ending == "reset":
                await self._writer.drain()
                reset(cast(asyncio.Transport, self._writer.transport))
            if ending != "complete" or self._http.our_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _next_request(self) -> ProxiedRequest | None:
        head: h11.Request | None = None
        body = b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._write(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._reader.read(_READ))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _MAX_BODY:
                    return None
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                path, _, query = head.target.decode("latin-1").partition("?")
                headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                return ProxiedRequest(head.method.decode(), path, query, headers, body)
            else:
                return None  # closed, or not HTTP any more

    async def _unless_gone(self, exchange: ProxiedRequest) -> Ending | None:
        """Pass the reply on, and stop as soon as the client hangs up. None: there was no reply."""
        listener = self._proxy.listen(exchange)
        passing = asyncio.create_task(self._pass_on(exchange, listener))
        try:
            await self._until_done_or_gone(passing)
            ending = passing.result() if passing.done() else "stall"
        except (OSError, h11.LocalProtocolError):
            ending = "stall"  # the client went while it was written to
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)
        if listener is not None and ending not in (None, "complete"):
            listener.end(ending)
        return ending

    async def _until_done_or_gone(self, passing: asyncio.Task[Ending | None]) -> None:
        while not passing.done():
            reading = asyncio.create_task(self._reader.read(_READ))
            await asyncio.wait({passing, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                # It has read nothing: later bytes stay for the next request.
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            elif data := reading.result():
                self._http.receive_data(data)
            else:
                return

    async def _pass_on(self, exchange: ProxiedRequest, listener: ExchangeListener | None) -> Ending | None:
        try:
            response = await self._proxy.send(exchange)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as problem:
            await self._unreachable(str(problem) or type(problem).__name__)
            return None
        except httpx.HTTPError as problem:
            return broken(problem, begun=False)
        try:
            if listener is not None:
                listener.head(response.status_code, {name.lower(): value for name, value in response.headers.items()})
            await self._head(response)
            async for data in response.aiter_raw():
                if listener is not None:
                    listener.data(data)
                await self._write(h11.Data(data=data))
            if listener is not None:
                listener.end("complete")  # before the client knows: when it has its reply, the script is written
            await self._write(h11.EndOfMessage())
        except httpx.HTTPError as problem:
            return broken(problem, begun=True)
        finally:
            await response.aclose()
        return "complete"

    async def _head(self, response: httpx.Response) -> None:
        headers = [(name, value) for name, value in response.headers.raw if name.decode().lower() not in _HOP]
        reason = response.reason_phrase.encode()
        await self._write(h11.Response(status_code=response.status_code, headers=headers, reason=reason))

    async def _unreachable(self, reason: str) -> None:
        sys.stderr.write(f"fake_providers: the target cannot be reached: {reason}\n")
        body = json.dumps(
            {"error": {"message": f"chatproof recorder: the target cannot be reached: {reason}"}}
        ).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        await self._write(h11.Response(status_code=502, headers=headers))
        await self._write(h11.Data(data=body))
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            self._writer.write(data)
            await self._writer.drain()


def forwarded(client: httpx.Client | httpx.AsyncClient, target: str, exchange: ProxiedRequest) -> httpx.Request:
    """The request to the target. A path prefix that the target's URL has already is not doubled."""
    base = urlsplit(target)
    origin = f"{base.scheme}://{base.netloc}"
    root = origin if base.path and exchange.path.startswith(f"{base.path}/") else target
    url = f"{root}{exchange.path}?{exchange.query}" if exchange.query else f"{root}{exchange.path}"
    headers = {name: value for name, value in exchange.headers.items() if name not in _OURS}
    headers["accept-encoding"] = "identity"
    return client.build_request(exchange.method, url, headers=headers, content=exchange.body)


def broken(problem: httpx.HTTPError, *, begun: bool) -> Ending:
    """How the target's connection ended, from what httpx says of it."""
    if not isinstance(problem, httpx.RemoteProtocolError):
        return "reset"
    if begun:
        return "cut"
    return "close" if "without sending a response" in str(problem) else "garbage"


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
