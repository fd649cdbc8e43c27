"""Start or find the server and the fakes, and decide whether what answers is a chat server."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

from chatproof.fake_providers.dialects.provider_variables import FAKE_KEY, server_variables
from chatproof.fake_providers.server.launcher import start_fakes
from chatproof.harness.client.http import HttpExchange
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.kept_output import KeptOutput
from chatproof.harness.common.redaction import clipped, conceal, redacted
from chatproof.harness.common.settings import SERVER_SECRETS, Settings
from chatproof.harness.common.started_server import StartedServer, free_port, listens
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.transcript import End, Transcript

# local servers answer OpenAI's paths too, and a request with a key could be for either
DIALECTS = {
    "openai": ("openai",),
    "gemini": ("gemini",),
    "local": ("local", "openai"),
    "anthropic": ("anthropic",),
}
NOBODY = "http://127.0.0.1:1/v1"
STILL_COMING = 2.0  # seconds since the last bytes: a reply younger than this still goes on
LOOKED_AT = 8_000  # bytes of an answer's body
MOST_SAID = 600  # characters of it in a message: a sentence, or the top of a stack
MUCH_TO_SAY = 200  # tokens of a real model's reply to a greeting
ANOTHER_ORIGIN = "https://another-page.test"  # that a started server is told to allow, too
PROVIDER_TIMEOUT = 10.0  # seconds; well above the 5 of INT-02, so that a time-out is not taken for a cancellation


@dataclass(frozen=True, slots=True)
class Scene:
    """The server under test, and the fakes if there are any.

    `key` is the API key that the server was given, where the suite started it. `again` runs the same server once more,
    beside the first, with some variables of its environment changed; None: by the command of `server`.
    """

    target: Target
    fakes_url: str | None = None
    server: StartedServer | None = None
    key: str = ""
    again: Callable[[Mapping[str, str]], AbstractAsyncContextManager[Target]] | None = None

    def listening(self, settings: Settings) -> Scene:
        """Wait until a started server listens, and give the scene with its address.

        Raises:
            ChatproofError: it ends, or does not listen in time.
        """
        if not self.server:
            return self
        self.server.wait(settings.start_timeout)
        # the base URL's host and path are the user's to choose; only the address family is known from listening
        host = self.server.target.host
        return replace(self, target=replace(self.target, host=host))


def set_up(settings: Settings, provider: str, port: int | None, resources: ExitStack, log: Path | None = None) -> Scene:
    """Start what the settings ask for; `resources` stops it.

    Args:
        port: the server's, or None for a free one.
        log: a file that gets what the server printed, once it is stopped.

    Raises:
        ChatproofError: something cannot be started.
    """
    conceal((settings.jwt_secret, settings.jwt_expired, *settings.jwt_tokens))
    base = Target.parse(settings.base_url) if settings.base_url else None
    fakes_url = settings.provider_url
    if not settings.start:
        assert base is not None  # checked by `Settings.read`
        return Scene(base, fakes_url)
    if port and listens("127.0.0.1", port):
        advice = "stop what listens there, or leave --base-url out to use a free port"
        raise ChatproofError(f"--start: port {port} is in use already; {advice}")
    port = port or free_port()
    if not fakes_url:
        fakes_url = resources.enter_context(start_fakes()).url
    key = f"sk-chatproof-{secrets.token_hex(12)}"
    conceal((key,))
    variables = environment(fakes_url, provider, key, settings)
    if provider == "local" and not settings.declares_providers:
        variables["OPENAI_BASE_URL"] = NOBODY  # else a server that knows only OpenAI would pass as local, too
    server = StartedServer.launch(settings.start, variables, port)
    if log:
        resources.callback(_write_log, server.output, log)
    resources.callback(server.stop)
    target = server.target if base is None else replace(base, port=port)
    return Scene(target, fakes_url, server, key)


def _write_log(output: KeptOutput, log: Path) -> None:
    with suppress(OSError):  # whether it can be written was checked before the run
        output.write(log)


def environment(fakes_url: str, provider: str, key: str, settings: Settings) -> dict[str, str]:
    """The variables of a started server, as the contract names them; the JWT secret by other usual names as well. Two
    origins are allowed: an answer to a page must name its own."""
    origins = settings.allowed_origin if settings.contract == 1 else f"{settings.allowed_origin},{ANOTHER_ORIGIN}"
    return {
        **server_variables(provider, fakes_url, key),
        "PROVIDER_TIMEOUT": f"{settings.provider_timeout or PROVIDER_TIMEOUT:g}",
        **(dict.fromkeys(SERVER_SECRETS, settings.jwt_secret) if settings.jwt_secret else {}),
        "ALLOWED_ORIGINS": origins,
    }


def started_by_hand(scene: Scene, provider: str, settings: Settings) -> str:
    """Lines for a shell that start the fakes and the server as the suite did, at the same ports; nothing where the
    suite started no server."""
    if not settings.start or not scene.fakes_url:
        return ""
    given = {**environment(scene.fakes_url, provider, FAKE_KEY, settings), "PORT": str(scene.target.port)}
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in given.items() if name not in SERVER_SECRETS)
    command = settings.start.replace("{port}", str(scene.target.port))
    fakes = f"chatproof providers --port {Target.parse(scene.fakes_url).port} &\n" if not settings.provider_url else ""
    return redacted(f"{fakes}{words} {command} &")


def why_unfit(exchange: HttpExchange, has_provider: bool, waited: float = 0.0) -> str:
    """Why what answered is no chat server, or nothing. `waited`: seconds since it refused the same request with 429.

    Raises:
        ChatproofError: nobody answered, so there is nothing to judge.
    """
    url, reply = exchange.target.url, exchange.transcript
    asked = f"{exchange.request.method} {exchange.request.path}"
    if reply.end is End.REFUSED:
        raise ChatproofError(f"{url}: {reply.fault}: is the server running there?")
    if reply.status is None:
        return f"{url} accepts connections but gave no HTTP answer to {asked}: {reply.fault}"
    kind = reply.header("content-type") or "no Content-Type"
    if reply.status == 429 and waited:
        return (
            f"{url} answers {asked} with status 429, and again {waited:.0f} s later: it refuses every request, so "
            "nothing can be judged"
        )
    if reply.status != 200:
        what = "it fails, so nothing can be judged" if reply.status == 500 else "this is not a chat server"
        return f"{url} answers {asked} with status {reply.status} ({kind}){_said(reply, kind)}; {what}"
    if is_endless(reply) and (has_provider or len(reply.tokens) > MUCH_TO_SAY):
        seen = f"{counted(len(reply.tokens), 'token')} in {reply.reads[-1].at - reply.asked_at:.0f} s, without an end"
        return f"{url} answers `Please say hello.` with {seen}: a reply that never ends cannot be judged"
    if has_stream(reply, kind):
        return ""
    seen = f"{kind} that holds no event: {shown(reply.body, 80)}"
    return f"{url} answers {asked} with {seen}; this is not a chat server"


def _said(reply: Transcript, kind: str) -> str:
    """What an answer's body says, in one line: redacted, cut, and without the tags of a page."""
    text = reply.body[:LOOKED_AT].decode("utf-8", "replace")
    if "html" in kind:
        text = unescape(re.sub(r"<[^<>]*>", " ", re.sub(r"(?s)<(style|script)\b[^<]*</\1>", " ", text)))
    text = " ".join(text.split())
    return f": {clipped(text, MOST_SAID)}" if text else " and an empty body"


def is_endless(reply: Transcript) -> bool:
    """Whether the client gave up while tokens were still coming."""
    if reply.terminal or not reply.tokens or reply.ended_at is None:
        return False
    return reply.end is End.TOO_LARGE or (
        reply.end is End.TIMEOUT and reply.ended_at - reply.reads[-1].at < STILL_COMING
    )


def has_stream(reply: Transcript, kind: str) -> bool:
    """Whether there is something to judge, however wrong: an event, or a body that ends and is no HTML page."""
    return bool(reply.messages) or (reply.end is End.COMPLETE and "html" not in kind)
