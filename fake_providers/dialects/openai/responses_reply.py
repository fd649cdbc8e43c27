"""OpenAI's responses: the events of a stream, and the response in one piece.

Source: https://platform.openai.com/docs/api-reference/responses, https://platform.openai.com/docs/guides/reasoning, and
what the official clients read.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Ask, Reply, TimedFrame
from chatproof.fake_providers.dialects.likelihoods import openai_logprob
from chatproof.fake_providers.dialects.openai import output_items as items
from chatproof.fake_providers.dialects.openai.error_bodies import ALWAYS, JSON, details
from chatproof.fake_providers.dialects.openai.reply import CREATED, answer, digest, dumps, quoting
from chatproof.fake_providers.dialects.openai.response_ids import response_id
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.scripting.script import Fail

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ERROR_CODES: Final = ("server_error", "rate_limit_exceeded", "invalid_prompt")


class ResponseWishes(NamedTuple):
    """What the request decides beside its text. `echo`: what the response repeats of it, as JSON."""

    echo: str
    encrypted: bool = False
    """Reasoning items come with `encrypted_content`, so that a client can send them back without a stored response."""
    raw: bool = False
    """Thoughts are sent as they are, as local servers do, not as a summary."""
    background: bool = False
    """The request does not wait for the response: a client asks for it later."""


def render(ask: Ask) -> Reply:
    """The reply to a valid request for a response."""
    assert isinstance(ask.extra, ResponseWishes)
    if ask.extra.background and not ask.stream:
        body = unfinished_response(ask, "queued").encode()
        return Reply(200, (JSON, ("x-request-id", f"req_{digest(ask)}"), *ALWAYS), (TimedFrame(body, 0.0),))
    events = Events(ask)
    line = play(
        ask.script, events, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
    return answer(
        ask, line, whole=lambda: events.response(line.finish_reason).encode(), torn=lambda: events.broken()[:-2]
    )


def finished_response(ask: Ask) -> dict[str, Any]:
    """The response as it is kept: with its whole output, or failed where its script fails."""
    events = Events(ask)
    line = play(
        ask.script, events, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
    if line.fail is None or line.fail.fault in ("malformed", "open"):
        text = events.response(line.finish_reason)
    else:
        text = events.failed(line.fail, line.fail.error_status)
    response: dict[str, Any] = json.loads(text)
    return response


def unfinished_response(ask: Ask, status: str) -> str:
    """The response before it has any output, as JSON. `status`: "queued", "in_progress" or "cancelled"."""
    return _response(ask, status, [])


class Events:
    """Encodes the parts of a stream. It opens and closes the output's items, and their parts, as the script goes on."""

    fragments = True
    silent = ()

    def __init__(self, ask: Ask) -> None:
        assert isinstance(ask.extra, ResponseWishes)
        self._ask, self._wishes = ask, ask.extra
        self._quoted = quoting(ask.script)
        self._number = 0
        self._tokens = self._thought = 0
        self._output: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None  # the item that is being written
        self._part: items.Part | None = None  # the part of it
        self._said: list[str] = []
        self._delta = ""  # a delta event, from behind its number to its text
        self._delta_end = ""
        self._delta_head = ""

    def opening(self) -> bytes:
        response = _response(self._ask, "in_progress", [])
        return self._about("response.created", response) + self._about("response.in_progress", response)

    def token(self, text: str) -> bytes:
        return self._in_message(items.TEXT) + self._say(text)

    def refusal(self, text: str) -> bytes:
        return self._in_message(items.REFUSAL) + self._say(text)

    def thinking(self, text: str, first: bool) -> bytes:
        """A summary of the thoughts, a part for each step, if they are shown; else an item without words."""
        self._thought += 1
        opened = b"" if self._is_open("reasoning") else self._close("completed") + self._add(self._reasoning())
        if self._ask.thinking == "shown":
            if self._wishes.raw and self._part is None:
                opened += self._open_part(items.RAW)
            elif first and not self._wishes.raw:
                opened += self._close_part() + self._open_part(items.SUMMARY)
            return opened + self._say(text)
        self._tokens += 1
        return opened

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if fragment is not None:
            return self._say(fragment)
        opened = self._close("completed") + self._add(items.call(digest(self._ask), index, name))
        return opened + self._open_part(items.ARGUMENTS)

    def broken(self) -> bytes:
        return b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"brok\n\n'

    def error(self, fail: Fail) -> bytes:
        message, _, code, param = details(500, fail, self._ask.model, "responses")
        code = code or "server_error"
        event = self._event("error", code=code, message=message, param=param)
        return event + self._about("response.failed", self.failed(fail, 500))

    def failed(self, fail: Fail, status: int) -> str:
        """The failed response, with the output so far, as JSON. `status`: what the API would answer with."""
        message, _, code, _ = details(status, fail, self._ask.model, "responses")
        known = code if code in _ERROR_CODES else "server_error"
        return _response(self._ask, "failed", self._output, error={"code": known, "message": message})

    def closing(self, finish_reason: str) -> bytes:
        status = _status(finish_reason)
        end = self._close(status)
        if all(item["type"] == "reasoning" for item in self._output) and (status == "completed" or not self._output):
            end += self._in_message(items.TEXT) + self._close(status)
        return end + self._about(f"response.{status}", self.response(finish_reason))

    def response(self, finish_reason: str) -> str:
        """The finished response, with the output so far, as JSON."""
        status = _status(finish_reason)
        self._close(status)
        incomplete = _INCOMPLETE.get(finish_reason)
        return _response(
            self._ask,
            status,
            self._output,
            completed_at=CREATED if status == "completed" else None,
            incomplete_details={"reason": incomplete} if incomplete else None,
            usage=_usage(self._ask, self._tokens, self._thought),
        )

    def _is_open(self, kind: str) -> bool:
        return self._open is not None and self._open["type"] == kind

    def _reasoning(self) -> dict[str, Any]:
        known = (digest(self._ask), len(self._output))
        return (
            items.raw_reasoning(*known)
            if self._wishes.raw
            else items.reasoning(*known, encrypted=self._wishes.encrypted)
        )

    def _in_message(self, part: items.Part) -> bytes:
        """Opens a message, and such a part in it, unless they are open."""
        opened = b""
        if not self._is_open("message"):
            opened = self._close("completed") + self._add(items.message(digest(self._ask), len(self._output)))
        elif self._part is part:
            return b""
        return opened + self._close_part() + self._open_part(part)

    def _say(self, piece: str) -> bytes:
        self._tokens += 1
        self._said.append(piece)
        number, self._number = self._number, self._number + 1
        end = self._delta_end
        if self._part is items.TEXT and self._ask.logprobs is not None:
            end = f',"logprobs":{dumps(self._likely([piece], with_bytes=False), self._ask.script)}}}\n\n'
        return f"{self._delta_head}{number}{self._delta}{self._quoted(piece)}{end}".encode()

    def _likely(self, tokens: list[str], *, with_bytes: bool) -> list[dict[str, Any]]:
        """The tokens' log probabilities, if the request wants them. Only parts have the tokens' bytes."""
        top = self._ask.logprobs
        return [] if top is None else [openai_logprob(token, top, with_bytes=with_bytes) for token in tokens]

    def _add(self, item: dict[str, Any]) -> bytes:
        self._output.append(item)
        self._open = item
        return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _place(self, part: items.Part) -> dict[str, Any]:
        assert self._open is not None
        place = {"item_id": self._open["id"], "output_index": len(self._output) - 1}
        return {**place, part.place: len(self._open[part.holder])} if part.place else place

    def _open_part(self, part: items.Part) -> bytes:
        self._part, self._said = part, []
        place = self._place(part)
        kind = f"{part.event}.delta"
        self._delta_head = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'
        self._delta = f',{dumps(place, self._ask.script)[1:-1]},"delta":'
        self._delta_end = f"{part.delta_end}}}\n\n"
        return self._event(f"{part.added}.added", **place, part=part.of("")) if part.added else b""

    def _close_part(self) -> bytes:
        if (part := self._part) is None or self._open is None:
            return b""
        text, place = "".join(self._said), self._place(part)
        self._part = None
        if not part.added:
            self._open[part.holder] = text
            return self._event(f"{part.event}.done", **place, **{part.key: text})
        ended, whole = {**part.done}, part.of(text)
        if part is items.TEXT and self._ask.logprobs is not None:
            ended["logprobs"] = self._likely(self._said, with_bytes=False)
            whole["logprobs"] = self._likely(self._said, with_bytes=True)
        done = self._event(f"{part.event}.done", **place, **{part.key: text}, **ended)
        self._open[part.holder].append(whole)
        return done + self._event(f"{part.added}.done", **place, part=whole)

    def _close(self, status: str) -> bytes:
        """Finish the open item, if any. Only the last item of a reply can be incomplete."""
        if (item := self._open) is None:
            return b""
        done = self._close_part()
        self._open = None
        if "status" in item:
            item["status"] = status
        if "encrypted_content" in item:
            item["encrypted_content"] = items.encrypt(item["id"])
        return done + self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _about(self, kind: str, response: str) -> bytes:
        """An event about the response as a whole, which is JSON already."""
        number, self._number = self._number, self._number + 1
        head = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":{number},"response":'
        return f"{head}{response}}}\n\n".encode()

    def _event(self, kind: str, **values: Any) -> bytes:
        number, self._number = self._number, self._number + 1
        data = dumps({"type": kind, "sequence_number": number, **values}, self._ask.script)
        return f"event: {kind}\ndata: {data}\n\n".encode()


def _status(finish_reason: str) -> str:
    return "incomplete" if finish_reason in _INCOMPLETE else "completed"


def name_of(ask: Ask) -> str:
    """The response's id."""
    return response_id(ask.digest, stored=ask.stored, scenario=ask.scenario)


def _response(ask: Ask, status: str, output: list[dict[str, Any]], **values: Any) -> str:
    """A response object as JSON; the values are those that are null unless it is over."""
    response = {
        "id": name_of(ask),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": output,
        "usage": None,
        **values,
    }
    assert isinstance(ask.extra, ResponseWishes)
    # What is echoed of the request is JSON already, made once.
    return f"{dumps(response, ask.script)[:-1]},{ask.extra.echo[1:]}"


def _usage(ask: Ask, said: int, thought: int) -> dict[str, Any]:
    return {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": ask.prompt_tokens + said,
    }
