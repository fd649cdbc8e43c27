"""The provider behind the server under test: its scripts and its journal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chatproof.fake_providers.journal.control_client import Fakes, NotInTime
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.sent import OWN_NAME
from chatproof.harness.protocol.transcript import Transcript

_MESSAGES = ("messages", "contents", "input")  # where dialects have the conversation
_BESIDE = ("system", "instructions", "systemInstruction", "system_instruction")  # and what stands beside it
DUE = 5.0  # seconds within which a server must have asked its provider
CUTS = {"cut-mid": 0.03}  # scripts that break the connection, and how many seconds behind the last token
RETRIES = Deadlines(silence=30)  # official provider clients try three times before they give up
_CASE = re.compile(rf"(?<![\w-]){OWN_NAME.pattern}(?![\w-])")  # see `Lane.new_case`; not that of a session's id


@dataclass(slots=True)
class Upstream:
    """The fakes, as tests see them. `offset`: their monotonic clock minus ours; `due`: how long a server may take until
    it asks them, both in seconds; `played`: the script of each case id; `own`: scripts that the suite has added;
    `open_door`: held while nobody may make the fakes refuse connections, and by whoever does."""

    fakes: Fakes
    scripts: dict[str, dict[str, Any]] = field(default_factory=dict)
    offset: float = 0.0
    due: float = DUE
    played: dict[str, str] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    open_door: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self) -> None:
        """Read the scripts and compare the clocks. Raises FakesError."""
        self.scripts = await self.fakes.scripts()
        before = time.monotonic()
        theirs = float((await self.fakes.health())["monotonic"])
        after = time.monotonic()
        # on one machine both read the same clock; the difference is the duration of the request
        self.offset = 0.0 if before <= theirs <= after else theirs - (before + after) / 2

    def text(self, script: str) -> str:
        return str(self.scripts[script]["text"])

    def does(self, script: str) -> str:
        """A script's name with what the provider does in it, in words."""
        about = str(self.scripts.get(script, {}).get("about", "")).rstrip(".")
        return f'{script} ("{about}")' if about else script

    async def register(self, name: str, toml: str) -> str:
        """Add a script of the suite's own and give its name."""
        await self.add({name: toml})
        return name

    async def add(self, scripts: Mapping[str, str]) -> None:
        """Add scripts of the suite's own: the TOML of each by its name."""
        for name, toml in scripts.items():
            await self.fakes.register(name, toml)
        self.scripts = await self.fakes.scripts()
        self.own |= scripts.keys()

    @asynccontextmanager
    async def refusing(self, seconds: float) -> AsyncIterator[None]:
        """Have the fakes refuse connections, for `seconds` at most, while nobody needs `open_door`."""
        async with self.open_door:
            await self.fakes.refuse_connections(seconds)
            try:
                yield
            finally:
                await self.fakes.accept_connections()

    async def entries(self, reply: Transcript) -> list[Entry]:
        """All provider requests for this reply, retries and side questions included."""
        return await self.fakes.entries(reply.case)

    async def asked(self, reply: Transcript, timeout: float | None = None) -> Entry | None:
        """The provider request that carries the reply: the one with most tokens. None if the provider was not asked."""
        entries = await self._in_time(self.fakes.wait_entries(reply.case, 1, timeout or self.due))
        return max(entries, key=lambda entry: (entry.tokens, entry.stream, entry.id), default=None)

    async def said_for(self, reply: Transcript, script: str) -> str:
        """What the provider said in a reply that is over: its script's text, or only its beginning where the server
        gave its provider a limit of tokens."""
        entry = await self.asked(reply)
        return entry.text if entry and entry.whole else self.text(script)

    async def has_said(self, reply: Transcript, tokens: int, timeout: float | None = None) -> bool:
        """Wait until the provider has written `tokens` tokens of the reply, and say whether it has."""
        entries = await self._in_time(self.fakes.wait_tokens(reply.case, tokens, timeout or self.due))
        return any(entry.tokens >= tokens for entry in entries)

    async def ended(self, reply: Transcript, timeout: float) -> list[Entry]:
        """The provider's requests for the reply, once all have ended or `timeout` seconds have passed."""
        return await self._in_time(self.fakes.wait_ended(reply.case, timeout))

    @staticmethod
    async def _in_time(waiting: Awaitable[list[Entry]]) -> list[Entry]:
        try:
            return await waiting
        except NotInTime as late:
            return late.entries

    def said(self, entry: Entry) -> list[ProviderWrite]:
        """The provider's writes, in the suite's clock."""
        return [ProviderWrite(write.at - self.offset, write.text) for write in entry.writes if write.text]

    def local(self, at: float) -> float:
        """A time of the journal, in the suite's clock."""
        return at - self.offset


def upstream_texts(body: Any) -> list[str]:
    """All strings in the body of a provider request, in order. Servers are free in how they send a conversation."""
    if isinstance(body, str):
        return [body]
    if isinstance(body, dict):
        return [text for value in body.values() for text in upstream_texts(value)]
    if isinstance(body, list):
        return [text for value in body for text in upstream_texts(value)]
    return []


def spoken_texts(body: Any) -> list[str]:
    """The strings of a provider request without those that it marks as a model's thoughts."""
    if isinstance(body, dict):
        if body.get("thought") is True or body.get("type") in ("reasoning", "thinking"):
            return []
        marks = ("thinking", "thought", "reasoning")
        return [text for key, value in body.items() if not key.startswith(marks) for text in spoken_texts(value)]
    return [text for one in body for text in spoken_texts(one)] if isinstance(body, list) else upstream_texts(body)


def upstream_text(entry: Entry) -> str:
    """All strings of a provider request, joined."""
    return "\n".join(upstream_texts(entry.body))


def messages_of(entry: Entry | None) -> list[tuple[str, str]]:
    """Roles and texts of a provider request in any dialect; a model's role is given as `assistant`, and what stands
    beside the messages as `system`. Without a list of messages all of it is one message of the user."""
    body = entry.body if entry and isinstance(entry.body, dict) else {}
    messages = next((body[name] for name in _MESSAGES if isinstance(body.get(name), list)), None)
    if messages is None:
        return [("user", "\n".join(upstream_texts(body)))] if body else []
    beside = [("system", "\n".join(upstream_texts(body[name]))) for name in _BESIDE if name in body]
    return beside + [
        (str(one.get("role")).replace("model", "assistant"), "\n".join(_texts_of(one)))
        for one in messages
        if isinstance(one, dict)
    ]


def _texts_of(message: dict[str, Any]) -> list[str]:
    """The texts of a message: it holds one, or parts of which some have one."""
    content = next((message[name] for name in ("content", "parts") if name in message), "")
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text", part.get("refusal")) if isinstance(part, dict) else part for part in parts]
    texts.append(message.get("refusal"))  # where OpenAI's API has what a model says when it refuses
    return [text for text in texts if isinstance(text, str)]


def cases_in(text: str) -> set[str]:
    """The case ids in a text, those of other tests and of earlier runs included."""
    return set(_CASE.findall(text))


def talk(seconds: float) -> str:
    """A script that writes four tokens a second for `seconds`."""
    words = ", ".join(f'"word{number} "' for number in range(int(seconds * 4) + 1))
    return f'about = "{seconds:.0f} s of talk."\n[timing]\ninter_token_ms = 250\n[[steps]]\ntokens = [{words}]\n'
