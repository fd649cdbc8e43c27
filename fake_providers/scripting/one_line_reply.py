"""Replies that a test writes in one line of Python, in place of a TOML file.

fake_openai.plays(fails(429), calls("get_weather", city="Paris"), says("It is sunny."))  # one for each request
fake_openai.plays(says("Let me look.") + calls("get_weather", city="Paris"))  # both in one reply
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from chatproof.fake_providers.scripting.faults import Fault
from chatproof.fake_providers.scripting.script import Script, script_of

_SHOWN: Final = 60  # characters


@dataclass(frozen=True, slots=True)
class OneLineReply:
    """A reply as data: the steps of its script, with the keys that they have in TOML.

    `shown`: how the test wrote it, for messages. ScriptError if it is no script.
    """

    shown: str
    steps: tuple[dict[str, Any], ...]
    finish_reason: str | None = None

    def __post_init__(self) -> None:
        self.script("one-line")

    @property
    def kind(self) -> str:
        """ "says", "calls" and so on."""
        return self.shown.partition("(")[0].replace("_", "-")

    def __add__(self, other: OneLineReply) -> OneLineReply:
        """Both in one reply: says("Par") + fails("cut")."""
        steps = (*self.steps, *other.steps)
        return OneLineReply(f"{self.shown} + {other.shown}", steps, other.finish_reason or self.finish_reason)

    def script(self, name: str) -> Script:
        """Its script under that name."""
        document: dict[str, Any] = {"about": self.shown, "steps": [dict(step) for step in self.steps]}
        if self.finish_reason is not None:
            document["finish_reason"] = self.finish_reason
        return script_of(name, document, self.shown)


def says(text: str, *, finish_reason: str | None = None, **step: Any) -> OneLineReply:
    """The model says the text. `step`: further keys of a script's text step, such as `inter_token_ms=20`."""
    return OneLineReply(f"says({_short(text)})", ({"text": text, **step},), finish_reason)


def says_json(value: Any, **step: Any) -> OneLineReply:
    """The model says the value as JSON: dicts, lists and what else `json.dumps` takes, or a pydantic model.

    TypeError for other values.
    """
    plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    text = json.dumps(plain, ensure_ascii=False)
    return OneLineReply(f"says_json({text[:_SHOWN]})", ({"text": text, **step},))


def thinks(text: str, **step: Any) -> OneLineReply:
    """The model thinks before it answers: thinks("Hm.") + says("Paris"). Who shows thoughts: docs/scripts.md."""
    return OneLineReply(f"thinks({_short(text)})", ({"thinking": text, **step},))


def refuses(text: str = "I'm sorry, but I can't help with that.", **step: Any) -> OneLineReply:
    """The model refuses to answer, with this text where the provider shows one."""
    return OneLineReply(f"refuses({_short(text)})", ({"refusal": text, **step},))


def calls(tool: str, /, **arguments: Any) -> OneLineReply:
    """The model calls the tool with these arguments. TypeError for what is not JSON."""
    given = "".join(f", {name}={_short(value)}" for name, value in arguments.items())
    text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))  # a text keeps null and the order of keys
    return OneLineReply(f"calls({tool!r}{given})", ({"tool_call": tool, "arguments": text},))


def fails(how: int | Fault, /, **details: Any) -> OneLineReply:
    """The provider fails with an HTTP status such as 429, or with a fault such as "cut".

    `details`: further keys of a script's fault step, such as `retry_after_s=1` or `message="…"`.
    """
    fault = {"fault": "status", "status": how} if isinstance(how, int) else {"fault": how}
    given = "".join(f", {name}={_short(value)}" for name, value in details.items())
    return OneLineReply(f"fails({how!r}{given})", ({**fault, **details},))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
