"""A plain client: it asks for a reply, leaves it, or watches how long it is silent. Standard library only."""

from __future__ import annotations

import http.client
import json
import socket
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SILENT_FOR = 30.0  # seconds after which the client gives up
HEADERS = {"Content-Type": "application/json", "Accept": "text/event-stream"}
ASK_OPENAI = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
ASK_AI_SDK = {
    "id": "chat-1",
    "trigger": "submit-message",
    "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}],
}
ASK_AG_UI: dict[str, Any] = {
    "threadId": "thread-1",
    "runId": "run-1",
    "messages": [{"id": "m1", "role": "user", "content": "Hello"}],
    "state": {},
    "tools": [],
    "context": [],
    "forwardedProps": {},
}


class Answer(NamedTuple):
    """What the server said: the data of each event, or the body of an answer that is no stream. `broke`: how the
    connection failed, or nothing. `headers`: by their names in small letters."""

    status: int
    data: list[str]
    body: str
    broke: str
    headers: dict[str, str]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that hold an object."""
        return [json.loads(one) for one in self.data if one.startswith("{")]

    @property
    def kinds(self) -> list[str]:
        """Their types."""
        return [str(one.get("type")) for one in self.events]


def ask(url: str, body: object, silence: float = SILENT_FOR) -> Answer:
    """POST a body as JSON (bytes: as they are) and read the answer to its end, or until nothing came for `silence`
    seconds. The status is 0 where none came."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=silence)
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, lines, broke, headers = 0, [], "", {}
    try:
        connection.request("POST", parts.path, text, HEADERS)
        response = connection.getresponse()
        status, headers = response.status, {name.lower(): value for name, value in response.getheaders()}
        while line := response.readline():
            lines.append(line.decode().rstrip("\r\n"))
    except TimeoutError:
        broke = f"nothing came for {silence:g} s"
    except (http.client.HTTPException, OSError) as problem:
        broke = f"the connection broke ({type(problem).__name__})"
    connection.close()
    return Answer(
        status, [one[5:].strip() for one in lines if one.startswith("data:")], "\n".join(lines), broke, headers
    )


def leave(url: str, body: object, after: str, longest: float = 10.0) -> bool:
    """POST a body, close the connection once `after` came, or `longest` seconds have passed. Whether it came."""
    give_up, seen = time.monotonic() + longest, b""
    with _posted(url, body) as connection:
        while after.encode() not in seen and (left := give_up - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                seen += connection.recv(65536)
            except TimeoutError:
                break
    return after.encode() in seen


def longest_silence(url: str, body: object, watched: float) -> float:
    """POST a body, and watch what comes for `watched` seconds, or until the answer ends. The longest time for which
    nothing came, in seconds."""
    with _posted(url, body) as connection:
        last = time.monotonic()
        end, longest = last + watched, 0.0
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                came = connection.recv(65536)
            except TimeoutError:
                break
            last, longest = time.monotonic(), max(longest, time.monotonic() - last)
            if not came:
                return longest
    return max(longest, end - last)


def _posted(url: str, body: object) -> socket.socket:
    parts = urlsplit(url)
    text = json.dumps(body).encode()
    head = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(text)}"]
    head += [f"{name}: {value}" for name, value in HEADERS.items()]
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    connection.sendall("\r\n".join([*head, "", ""]).encode() + text)
    return connection
