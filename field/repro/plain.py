"""What the scripts beside it share: a plain provider, the server's process and a plain client. Standard library only.

A script is run with the command that starts its server, in which `{port}` stands for the port:

    python field/repro/litellm-ERR-03.py litellm --config field/litellm/config.yaml --port {port}

It prints one line, and exits with 1 while the fault stands, with 0 where it is mended, with 2 where it cannot tell.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

UP_WITHIN = 90.0  # seconds until the server listens
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


class Upstream(BaseHTTPRequestHandler):
    """One request to the provider. `play` of its server writes the answer with the methods below."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.play(self)  # type: ignore[attr-defined]

    def begin(self) -> None:
        """Status 200 and the headers of a stream."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, event: dict[str, Any] | str) -> None:
        """One event, at once."""
        data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def word(self, word: str | None, reason: str | None = None) -> None:
        """A chunk of a chat completion."""
        delta = {} if word is None else {"role": "assistant", "content": word}
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        kind = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
        self.event({**kind, "choices": [choice]})

    def end(self) -> None:
        """The end of the body, as HTTP has it."""
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def client_left(self, within: float) -> bool:
        """Whether the server closes its connection to the provider within so many seconds, while nothing is said."""
        readable, _, _ = select.select([self.connection], [], [], within)
        try:
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


def two_words_then_the_end(upstream: Upstream) -> None:
    """A reply that is cut off: no finish reason, no `[DONE]`, and a sound end of the body."""
    upstream.begin()
    upstream.word("All")
    upstream.word(" is")
    upstream.end()


def an_error_with_status_200(upstream: Upstream) -> None:
    """A JSON document with an error in place of a stream, with status 200."""
    _document(upstream, 200)


def an_error_with_status_500(upstream: Upstream) -> None:
    """The same with status 500, which asks clients not to try again."""
    _document(upstream, 500)


SECRET = "shard quokka-7 is down"  # what the provider says of its failure


def _document(upstream: Upstream, status: int) -> None:
    error = {"message": SECRET, "type": "server_error", "param": None, "code": None}
    text = json.dumps({"error": error}).encode()
    upstream.send_response(status)
    for name, value in (("Content-Type", "application/json"), ("x-should-retry", "false")):
        upstream.send_header(name, value)
    upstream.send_header("Content-Length", str(len(text)))
    upstream.end_headers()
    upstream.wfile.write(text)


def a_word_and_a_broken_connection(upstream: Upstream) -> None:
    """One word, and then the connection ends in the middle of the body."""
    upstream.begin()
    upstream.word("All")
    upstream.connection.shutdown(socket.SHUT_RDWR)


SERVER_LEFT = threading.Event()  # the server closed its connection to the provider


def silence(upstream: Upstream) -> None:
    """No answer at all."""
    if upstream.client_left(within=120):
        SERVER_LEFT.set()


def headers_then_silence(upstream: Upstream) -> None:
    """The headers of a stream, and no word."""
    upstream.begin()
    silence(upstream)


def words_without_end(upstream: Upstream) -> None:
    """A word every 100 ms, until the server leaves."""
    try:
        upstream.begin()
        while not upstream.client_left(within=0.1):
            upstream.word("word ")
    except OSError:
        pass
    SERVER_LEFT.set()


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


Look = Callable[[str], tuple[bool, str]]  # gets the server's URL; whether the fault stands, and what was seen


CUT = "the provider's stream broke off"
IN_A_DOCUMENT = "the provider answered 200 with a JSON error"


def ai_sdk_after_a_cut(path: str, what: str = CUT) -> Look:
    """Ask an AI SDK server whose provider fails: the fault is a `finish` without an error. `what`: how it fails."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_AI_SDK)
        finish = next((one for one in answer.events if one.get("type") == "finish"), None)
        failed = {"error", "abort"} & set(answer.kinds) or answer.broke
        told = f"finish with finishReason {finish.get('finishReason')!r}" if finish else "no part finish"
        line = f"{what}; the client got {told}, {'an' if failed else 'no'} error"
        return bool(finish) and not failed, line

    return look


def ai_sdk_without_an_answer(path: str) -> Look:
    """Ask an AI SDK server whose provider never answers: the fault is that nobody is told within 20 s."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_AI_SDK, silence=20)
        ended = {"error", "abort"} & set(answer.kinds) or answer.status >= 400
        seen = f"an error ({answer.status})" if ended else f"no error: {answer.broke or answer.kinds}"
        return not ended, f"the provider never answered, timeout.chunkMs is 10 s; the client got {seen}"

    return look


def ag_ui_after_a_cut(path: str, what: str = CUT) -> Look:
    """Ask an AG-UI server whose provider fails: the fault is a `RUN_FINISHED` without a `RUN_ERROR`."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", ASK_AG_UI)
        end = answer.events[-1] if answer.events else {}
        told = f"{end.get('type')} with outcome {(end.get('outcome') or {}).get('type', 'none')!r}"
        told += f", finishReason {end['finishReason']!r}" if "finishReason" in end else ""
        failed = "RUN_ERROR" in answer.kinds or answer.broke
        line = f"{what}; the run ended with {told}"
        return end.get("type") == "RUN_FINISHED" and not failed, line

    return look


def without_the_header(path: str, body: object) -> Look:
    """Ask for a reply: the fault is that `X-Accel-Buffering: no` is missing."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", body)
        if answer.status != 200:
            raise ValueError(f"no reply: {answer.status} {answer.body[:80]}")
        seen = answer.headers.get("x-accel-buffering")
        return seen != "no", f"the headers of a reply: X-Accel-Buffering: {seen or 'missing'}"

    return look


def silent_with_its_provider(path: str, body: object) -> Look:
    """Ask for a reply whose provider says nothing: the fault is that nothing comes for 20 s."""

    def look(url: str) -> tuple[bool, str]:
        longest = longest_silence(f"{url}{path}", body, 25)
        return longest > 20, f"the provider was silent for 25 s; nothing came for {longest:.0f} s"

    return look


def tells_what_the_provider_said(path: str, body: object) -> Look:
    """Ask for a reply whose provider fails: the fault is that the client is told the provider's own words."""

    def look(url: str) -> tuple[bool, str]:
        answer = ask(f"{url}{path}", body)
        told = next((line for line in (*answer.data, answer.body) if SECRET in line), "")
        return bool(told), f"the provider answered 500 with {SECRET!r}; the client got {(told or answer.body)[:120]}"

    return look


def a_reply(upstream: Upstream) -> None:
    """Two words and a sound end."""
    upstream.begin()
    for word in ("All", " is"):
        upstream.word(word)
    upstream.word(None, "stop")
    upstream.event("[DONE]")
    upstream.end()


def run(play: Callable[[Upstream], None], look: Look) -> None:
    """Start the provider and the server, let `look` ask it, and exit.

    Args:
        play: how the provider answers.
        look: asks the server.
    """
    try:
        with _provider(play) as provider, _server(sys.argv[1:], provider) as url:
            stands, line = look(url)
    except Exception as problem:  # whatever it is, it is no finding
        sys.exit(_say(f"cannot tell: {problem!r}", 2))
    sys.exit(_say(line, int(stands)))


def _say(line: str, code: int) -> int:
    sys.stdout.write(f"{line}\n")
    return code


@contextmanager
def _provider(play: Callable[[Upstream], None]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    server.play = play  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


@contextmanager
def _server(command: list[str], provider: str) -> Iterator[str]:
    if not command:
        raise ValueError("name the command that starts the server, with {port} for its port")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"OPENAI_BASE_URL": provider, "OPENAI_API_KEY": "fake-key", "PROVIDER_TIMEOUT": "10"}
    variables = {**os.environ, **settings, "PORT": str(port)}
    words = [word.replace("{port}", str(port)) for word in command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, env=variables, stdout=output, stderr=output, start_new_session=True)
        try:
            give_up = time.monotonic() + UP_WITHIN
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > give_up:
                    output.seek(0)
                    raise OSError(f"the server does not listen: {output.read().decode(errors='replace')[-300:]!r}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(5)
                except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                    continue


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
