"""How users behave in a run: how they ask, what they send, how long they think."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM, ChatStream
from chatproof.loadtests.objectives import DEFAULT, Objective, parse_objectives
from chatproof.loadtests.prompt_file import read_lines, read_messages
from chatproof.loadtests.readers.http_reader import Limits

TRANSPORTS: Final = ("sse", "socketio", "session", "interrupt", "socket-interrupt", "plain")
"""Streams over SSE or Socket.IO, sessions of several turns, users who interrupt on either, and `/api/chat`."""
PACED: Final = "(For a fake provider: scenario paced)"
"""What makes the fake providers answer at the pace of a real model; their other replies come all at once."""
MESSAGES: Final = tuple(
    f"{text} {PACED}"
    for text in (
        "Explain in a few sentences what Python is.",
        "Tell me in a few sentences about machine learning.",
        "Write a few sentences about the sea.",
        "Explain in a few sentences how a streaming chat differs from a plain one.",
    )
)
"""Each gives a reply of some sentences, so that there is time between tokens to be measured."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How users behave. `think`: seconds between the end of a reply and the next ask, from and to. `turns`: asks in a
    session. `stop_after`: seconds after the first token at which an interrupting user leaves, from and to. `api`: what
    the server speaks, and `named`: the options that choose it, for a worker."""

    transport: str = "sse"
    messages: tuple[str, ...] = MESSAGES
    jwts: tuple[str, ...] = ()
    think: tuple[float, float] = (0.0, 0.0)
    turns: int = 4
    stop_after: tuple[float, float] = (0.2, 1.0)
    provider_url: str | None = None
    sample: int = 20
    """One stream in this many is judged by the strict checks."""
    rotate: bool = True
    """Whether to change the source address where the server is on loopback."""
    patience: float = 10.0
    """Seconds that open streams get to end after the run; a stream that is silent for as long has timed out."""
    limits: Limits = field(default_factory=Limits)
    objectives: tuple[Objective, ...] = ()
    warm_up: float = 0.0
    """Seconds from the start of the run; streams that were due in them are not measured."""
    api: Api = CHAT_STREAM
    named: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        *,
        transport: str = "sse",
        messages: str | None = None,
        message: str | None = None,
        jwt: str | None = None,
        think: str = "0",
        provider_url: str | None = None,
        slo: str = DEFAULT,
        limits: Limits | None = None,
        patience: float = 10.0,
        warm_up: float = 0.0,
        named: Mapping[str, str | None] | None = None,
    ) -> Behaviour:
        """Read options as typed. `messages`, and a `jwt` that begins with @, name files; `named`: the options of an
        ApiChoice. Raises ChatproofError."""
        if transport not in TRANSPORTS:
            raise ChatproofError(f"unknown transport {transport!r}; known: {', '.join(TRANSPORTS)}")
        if message and messages:
            raise ChatproofError("give --message or --messages, not both")
        said = (message,) if message else read_messages(messages) if messages else MESSAGES
        tokens = read_lines(jwt[1:], "--jwt") if jwt and jwt.startswith("@") else (jwt,) if jwt else ()
        api = ApiChoice.of(named or {}).api
        if transport == "plain" and not isinstance(api, ChatStream):
            raise ChatproofError(f"--transport plain asks POST /api/chat of the API document; the api is {api.name}")
        if transport.startswith("socket") and not api.has_sockets:
            raise ChatproofError(f"--transport {transport}: the api {api.name} has no Socket.IO")
        return cls(
            transport=transport,
            messages=said,
            jwts=tokens,
            think=read_think(think),
            provider_url=provider_url,
            limits=limits or Limits(),
            patience=patience,
            objectives=tuple(parse_objectives(slo)),
            warm_up=warm_up,
            api=api,
            named=dict(named or {}),
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data, for a worker. Objectives are sent as they were typed; it makes the api again."""
        names = {one.name for one in fields(self)} - {"api"}
        objectives = [one.text for one in self.objectives]
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "limits": asdict(self.limits), "objectives": objectives}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Behaviour:
        """What `to_json` gave. Raises ChatproofError where the api's table is gone."""
        given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in data.items()}
        objectives = tuple(parse_objectives(",".join(data["objectives"]))) if data["objectives"] else ()
        api = ApiChoice.of(data["named"]).api
        return cls(**{**given, "limits": Limits(**data["limits"]), "objectives": objectives, "api": api})


def read_think(text: str) -> tuple[float, float]:
    """Read a think time, `2` or `1..5`, in seconds. Raises ChatproofError."""
    low, _, high = text.partition("..")
    try:
        times = float(low), float(high or low)
    except ValueError as error:
        raise ChatproofError(f"--think: {text!r} must be seconds, such as 2, or a range, such as 1..5") from error
    if not 0 <= times[0] <= times[1] <= 3600:
        raise ChatproofError(f"--think: {text!r} must lie between 0 and 3600 seconds, the lower end first")
    return times
