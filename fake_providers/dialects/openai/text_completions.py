"""Reads requests for text completions, OpenAI's legacy API, with its error texts.

Source: https://platform.openai.com/docs/api-reference/completions, and what the official client sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply
from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai import model_rules as rules
from chatproof.fake_providers.dialects.openai.completions_request import stop_problem, stops
from chatproof.fake_providers.dialects.openai.error_bodies import refusal
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.vectors import Text
from chatproof.fake_providers.models.catalogue import Catalogue, Provider, model_of
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import choose

KNOWN: Final = frozenset({
    "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "model", "n", "presence_penalty",
    "prompt", "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user",
})  # fmt: skip
"""The parameters of the endpoint, as the official client has them."""

_RULES: Final = fields.Rules(
    decimals={
        "temperature": (0, 2),
        "top_p": (0, 1),
        "presence_penalty": (-2, 2),
        "frequency_penalty": (-2, 2),
    },
    integers={
        "best_of": (1, 20),
        "logprobs": (0, 5),
        "max_tokens": (0, None),
        "n": (1, 128),
        "seed": (-(2**63), 2**63 - 1),
    },
    words={},
    kinds={"echo": fields.FLAG, "suffix": fields.TEXT, "user": fields.TEXT, "logit_bias": fields.OBJECT},
)
_FLAGS: Final = ("include_usage", "include_obfuscation")
_END_OF_TEXT: Final = "<|endoftext|>"  # what is completed where there is no prompt
_USUAL: Final = 16  # tokens of a completion whose request gives no limit
_MOST_PROMPTS: Final = 2048


class PromptTexts(NamedTuple):
    """What is completed: texts or token ids. `echo`: each choice begins with its prompt."""

    prompts: tuple[Text, ...]
    echo: bool = False


def read(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, provider: Provider
) -> Ask | Reply:
    """Every prompt gets the same reply, that of the last one. UnknownScenario."""
    body = request.json
    own = provider == "openai"
    if (wrong := problem(body, strict=own)) is not None:
        return refusal(400, wrong)
    prompts = _prompts(body.get("prompt"))
    vocabulary = model_of(provider, body["model"]).tokenizer
    heard = [tokenizer.count(one, vocabulary) if isinstance(one, str) else len(one) for one in prompts]
    most = body.get("max_tokens")
    if own:
        most = _USUAL if most is None else most
        model = rules.model_for(catalogue, body["model"], "/v1/completions")
        if isinstance(model, rules.Refusal):
            return rules.refused(model, catalogue)
        if (refused := rules.completion_problem(model, most, max(heard))) is not None:
            return rules.refused(refused, catalogue)
    text = prompts[-1] if isinstance(prompts[-1], str) else ""
    stream = body.get("stream") is True
    return Ask(
        script=choose(text, scripts, model=body["model"], provider="openai"),
        text=text,
        model=body["model"],
        stream=stream,
        usage=not stream or (body.get("stream_options") or {}).get("include_usage") is True,
        prompt_tokens=sum(heard),
        max_tokens=most,
        choices=body.get("n") or 1,
        stops=stops(body),
        logprobs=body.get("logprobs"),
        thinking="hidden",
        provider=provider,
        flavour="completions",
        extra=PromptTexts(prompts, body.get("echo") is True),
        request=request.identity,
    )


def problem(body: dict[str, Any], *, strict: bool = True) -> Problem | None:
    """The first error in the request's body; None if it is valid. `strict`: parameters that OpenAI does not know are
    wrong.
    """
    unknown = [name[:64] for name in body if name not in KNOWN] if strict else []
    if unknown:
        return Problem(f"Unrecognized request argument supplied: {', '.join(sorted(unknown)[:20])}", None, None)
    return (
        fields.wrong_model(body)
        or fields.stream(body, _FLAGS, strict=strict)
        or _RULES.broken(body)
        or stop_problem(body.get("stop"))
        or _combined(body)
        or _prompt_problem(body.get("prompt"))
    )


def _combined(body: dict[str, Any]) -> Problem | None:
    best, wanted = body.get("best_of"), body.get("n") or 1
    if best is not None and best < wanted:
        text = f"You requested that the server return more choices than it will generate (n={wanted}, best_of={best})."
        return Problem(text, "best_of", None)
    if best is not None and best > wanted and body.get("stream"):
        return Problem("Only one of 'stream' and a larger 'best_of' than 'n' can be given.", "best_of", None)
    if body.get("echo") and body.get("suffix"):
        return Problem("Setting 'echo' and 'suffix' at the same time is not supported.", "suffix", None)
    if body.get("echo") and not all(isinstance(one, str) for one in _prompts(body.get("prompt"))):
        return Problem("The fake provider echoes texts, not token ids.", "prompt", None)
    return None


def _prompt_problem(prompt: Any) -> Problem | None:
    """What is wrong with a prompt: a text, token ids, or a list of either."""
    if prompt is None or isinstance(prompt, str):
        return None
    if not isinstance(prompt, list):
        expected = "one of a string, array of strings, array of integers or array of arrays"
        return fields.wrong_type("prompt", expected, prompt)
    if not prompt:
        return fields.empty_array("prompt")
    if len(prompt) > _MOST_PROMPTS and not isinstance(prompt[0], int):
        return Problem(f"'$.prompt' has {len(prompt)} prompts, more than {_MOST_PROMPTS}.", "prompt", "invalid_value")
    kinds = (str, int, list)
    kind = next((kind for kind in kinds if isinstance(prompt[0], kind)), str)
    for index, one in enumerate(prompt):
        ids = isinstance(one, list) and bool(one) and all(type(token) is int for token in one)
        if not isinstance(one, kind) or isinstance(one, bool) or (kind is list and not ids):
            named = {str: "a string", int: "an integer", list: "an array of integers"}[kind]
            return fields.wrong_type(f"prompt[{index}]", named, one)
    return None


def _prompts(prompt: Any) -> tuple[Text, ...]:
    """The prompts that a body gives; of one that is invalid, anything."""
    if not isinstance(prompt, list):
        return (prompt if isinstance(prompt, str) else _END_OF_TEXT,)
    if prompt and all(isinstance(token, int) for token in prompt):
        return (tuple(prompt),)
    return tuple(tuple(one) if isinstance(one, list) else one for one in prompt)
