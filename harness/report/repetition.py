"""A failure's exchange as lines to paste into a shell: curl for HTTP, a few lines of Python for Socket.IO.

They send what the suite sent. A credential becomes `$JWT`, which the reader sets to a token of their own.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Sequence

from chatproof.harness.common.redaction import HIDDEN, SHELL_SECRET, redacted, redacted_headers
from chatproof.harness.protocol.sent import Emit, Sent, SentEvents, SentRequest
from chatproof.harness.protocol.transcript import Transport

# rows that only several clients at once, a forged token or the suite's own timing shows: no line of one client does
IN_COMPANY = frozenset(
    (
        *("INT-04", "INT-05", "INT-08", "SIO-06", "SIO-07", "SES-08", "SES-09", "SES-12", "SES-13", "PERF-04"),
        *("CHAT-06", "CORS-05"),
        *(f"AUTH-{number:02}" for number in (2, 3, 4, 5, 6, 7, 8, 10)),
        *(f"LIM-{number:02}" for number in range(1, 15)),
    )
)
# rows whose fault is seen in what the server asks its provider, not in what the client gets
SEEN_UPSTREAM = frozenset(
    (
        *("REQ-07", "REQ-09", "SES-05", "SES-07", "SES-10", "SES-11", "SES-20"),
        *("INT-01", "INT-02", "INT-03", "INT-07", "INT-09", "CHAT-05", "CHAT-06", "CHAT-08"),
    )
)
MOST_STEPS = 4  # of one failure; with more, only the last one is shown
LONGEST = 4_000  # characters of a line; what is longer cannot be pasted
RUN = 300  # equal bytes in a row from which a shell makes them, instead of being given them
SHORTEST_STAY = 0.5  # seconds: a program of the reader's takes a moment to connect
SILENCE = 10  # seconds that the Python lines wait for events
COMPUTED = ("host", "content-length", "user-agent")  # headers that curl adds by itself
EVERYTHING_ELSE = b"\\'%"  # printable bytes that printf or the shell would act on


def by_hand(steps: Sequence[Sent]) -> str:
    """Lines that send the steps again, one after the other; nothing where they cannot be pasted."""
    shown = steps if len(steps) <= MOST_STEPS else steps[-1:]
    lines = [curl(one) if isinstance(one, SentRequest) else python(one) for one in shown]
    return "\n".join(lines) if all(lines) else ""


def journal(fakes: str, case: str) -> str:
    """A line that prints what the fake providers at a URL were asked for one message, and how it ended."""
    return (
        f"curl -s {shlex.quote(f'{fakes}/_fake/journal?case={case}')}  # what the provider was asked, and how it ended"
    )


def curl(request: SentRequest) -> str:
    """The request as a line for a POSIX shell; nothing where its body is too long for one, or goes out in pieces."""
    if request.in_packets:
        return ""  # curl cannot do that
    runs = _runs(request.body)
    if len(request.body) - sum(end - start for start, end in runs) > LONGEST:
        return ""
    words = ["curl", "-iN"]
    if request.version == "1.0":
        words.append("--http1.0")
    if request.left_after is not None:
        words += ["--max-time", _seconds(request.left_after)]
    if "/." in request.url:
        words.append("--path-as-is")
    if re.search(r"[{}\[\]]", request.url):
        words.append("--globoff")
    has_body = bool(request.body) or request.method in ("POST", "PUT", "PATCH")
    if request.method != ("POST" if has_body else "GET"):
        words += ["-X", request.method]
    names = {name.lower() for name, _ in request.headers}
    if has_body and "content-type" not in names:
        words += ["-H", "Content-Type:"]  # curl would add that of a form
    if "accept" not in names:
        words += ["-H", "Accept:"]  # curl would add `*/*`
    words += [word for name, value in request.headers for word in _header(name, value)]
    before = ""
    if has_body and not runs and _is_plain(request.body):
        words += ["--data-raw", shlex.quote(redacted(request.body.decode()))]
    elif has_body:
        before = f"{_bytes(request.body, runs)} | "
        words += ["--data-binary", "@-"]
    line = f"{before}{' '.join(words)} {shlex.quote(redacted(request.url))}"
    return line if len(line) <= LONGEST else ""


def python(events: SentEvents) -> str:
    """A socket's emits as a program that a shell hands to Python; nothing where they are too long."""
    path = f", socketio_path={f'{events.root[1:]}/socket.io'!r}" if events.root else ""
    by_default = events.transport == Transport.UPGRADED  # that is what its client does
    only = "" if by_default else f", transports=[{events.transport!r}]"
    lines = [
        "python3 -u - <<'END'",
        'import os, socketio, time  # pip install "python-socketio[client]"',
        "client = socketio.Client(reconnection=False)",
        'client.on("*", print)',
        'client.on("disconnect", lambda *why: print("disconnected", *why))',
        f"client.connect({events.origin!r}{only}{path})",
    ]
    for number, emit in enumerate(events.emits):
        if number:
            lines.append(f"time.sleep({_seconds(emit.at - events.emits[number - 1].at, 0.0)})")
        lines.append(f"client.emit({', '.join(_arguments(emit))})")
    stay = _seconds(SILENCE if events.left_after is None else events.left_after)
    lines += [f"time.sleep({stay})", "os._exit(0)  # a client that only ends would wait for its connection"]
    text = redacted("\n".join([*lines, "END"]))
    return text if len(text) <= LONGEST else ""


def _header(name: str, value: str) -> Iterator[str]:
    if name.lower() in COMPUTED:
        return
    if name.lower() == "accept-encoding":
        yield "--compressed"  # curl sends such a header, and unpacks the answer
        return
    clean = redacted_headers({name: value})[name]
    yield "-H"
    if HIDDEN in clean:
        escaped = re.sub(r'([\\"`$])', r"\\\1", clean)
        yield f'"{name}: {escaped.replace(HIDDEN, SHELL_SECRET)}"'
    else:
        yield shlex.quote(f"{name}: {clean}" if clean else f"{name};")


def _arguments(emit: Emit) -> Iterator[str]:
    yield repr(emit.name)
    if len(emit.args) == 1 and isinstance(emit.args[0], dict | list | str | int):
        yield repr(emit.args[0])
    elif emit.args:
        yield repr(emit.args)  # python-socketio sends a tuple as several arguments, and None alone as no argument


def _is_plain(body: bytes) -> bool:
    """Whether a body is text that a terminal shows as it is."""
    try:
        return body.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _bytes(body: bytes, runs: Sequence[tuple[int, int]]) -> str:
    """A shell command that writes a body: `printf` with octal escapes, and `head` for many equal bytes."""
    parts, at = [], 0
    for start, end in runs:
        one = _printed(body[start : start + 1])
        parts += [_printf(body[at:start]), f"head -c {end - start} /dev/zero | tr '\\0' {one}"]
        at = end
    parts.append(_printf(body[at:]))
    commands = [part for part in parts if part]
    return commands[0] if len(commands) == 1 else f"{{ {'; '.join(commands)}; }}"


def _runs(body: bytes) -> list[tuple[int, int]]:
    """Where many equal bytes are, each as start and end. A search for each byte, since one pattern with a reference
    back takes a hundred bytes of memory for each byte of a run."""
    many = [bytes([one]) for one in set(body) if bytes([one]) * RUN in body]
    found = [run.span() for one in many for run in re.finditer(b"%b{%d,}" % (re.escape(one), RUN), body)]
    return sorted(found)


def _printf(data: bytes) -> str:
    return f"printf {_printed(data)}" if data else ""


def _printed(data: bytes) -> str:
    """Bytes as a quoted format of `printf`, which `tr` reads too."""
    letters = "".join(chr(one) if 32 <= one < 127 and one not in EVERYTHING_ELSE else f"\\{one:03o}" for one in data)
    return f"'{redacted(letters)}'" if not letters.startswith("-") else f"'\\055{redacted(letters[1:])}'"


def _seconds(duration: float, shortest: float = SHORTEST_STAY) -> str:
    return f"{max(shortest, math.ceil(duration * 10) / 10):g}"
