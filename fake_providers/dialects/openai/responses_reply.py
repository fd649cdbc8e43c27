"""OpenAI's responses: the events of a stream, and the response in one piece.

Source: https://platform.openai.com/docs/api-reference/responses, and what the official clients read.
"""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.openai.error_bodies import details
from chatproof.fake_providers.dialects.openai.reply import CREATED, answer, digest, dumps, quoting
from chatproof.fake_providers.dialects.openai.response_ids import response_id
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.scripting.script import Fail

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ERROR_CODES: Final = ("server_error", "rate_limit_exceeded", "invalid_prompt")


def render(ask: Ask) -> Reply:
    """The reply to a valid request for a response."""
    events = Events(ask)
    line = play(ask.script, events, ask.max_tokens, key=ask.key)
    return answer(
        ask, line, whole=lambda: events.response(line.finish_reason).encode(), torn=lambda: events.broken()[:-2]
    )


class Events:
    """Encodes the parts of a stream. It opens and closes the output's items as the script goes on."""

    fragments = True

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._quoted = quoting(ask.script)
        self._number = 0
        self._tokens = 0
        self._output: list[dict[str, Any]] = []
        self._said: list[str] = []
        self._delta = ""  # a delta event, from behind its number to its text
        self._delta_end = ""
        self._delta_head = ""

    def opening(self) -> bytes:
        response = _response(self._ask, "in_progress", [])
        return self._about("response.created", response) + self._about("response.in_progress", response)

    def token(self, text: str) -> bytes:
        opened = b"" if self._open_type == "message" else self._close("completed") + self._open_message()
        return opened + self._say(text)

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        if fragment is None:
            return self._close("completed") + self._open_call(index, name)
        return self._say(fragment)

    def broken(self) -> bytes:
        return b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"brok\n\n'

    def error(self, fail: Fail) -> bytes:
        message, _, code = details(500, fail)
        code = code or "server_error"
        event = self._event("error", code=code, message=message, param=None)
        known = code if code in _ERROR_CODES else "server_error"
        failed = _response(self._ask, "failed", self._output, error={"code": known, "message": message})
        return event + self._about("response.failed", failed)

    def closing(self, finish_reason: str) -> bytes:
        status = _status(finish_reason)
        end = self._close(status)
        if not self._output:
            end += self._open_message() + self._close(status)
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
            usage=_usage(self._ask, self._tokens),
        )

    @property
    def _open_type(self) -> str | None:
        item = self._output[-1] if self._output else None
        return item["type"] if item is not None and item["status"] == "in_progress" else None

    def _say(self, piece: str) -> bytes:
        self._tokens += 1
        self._said.append(piece)
        number, self._number = self._number, self._number + 1
        return f"{self._delta_head}{number}{self._delta}{self._quoted(piece)}{self._delta_end}".encode()

    def _open_message(self) -> bytes:
        index = len(self._output)
        item = _message_item(self._ask, index)
        self._output.append(item)
        self._said = []
        place = f',"item_id":"{item["id"]}","output_index":{index},"content_index":0,"delta":'
        self._deltas("response.output_text.delta", place, ',"logprobs":[]}\n\n')
        added = self._event("response.output_item.added", output_index=index, item=item)
        return added + self._part("response.content_part.added", item, _text_part(""))

    def _open_call(self, call: int, name: str) -> bytes:
        index = len(self._output)
        item = _call_item(self._ask, call, name)
        self._output.append(item)
        self._said = []
        place = f',"item_id":"{item["id"]}","output_index":{index},"delta":'
        self._deltas("response.function_call_arguments.delta", place, "}\n\n")
        return self._event("response.output_item.added", output_index=index, item=item)

    def _deltas(self, kind: str, place: str, end: str) -> None:
        self._delta_head = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'
        self._delta, self._delta_end = place, end

    def _close(self, status: str) -> bytes:
        """Finish the open item, if any. Only the last item of a reply can be incomplete."""
        if self._open_type is None:
            return b""
        item, index = self._output[-1], len(self._output) - 1
        text = "".join(self._said)
        item["status"] = status
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            item["content"] = [_text_part(text)]
            done = self._event("response.output_text.done", **place, content_index=0, text=text, logprobs=[])
            done += self._part("response.content_part.done", item, item["content"][0])
        else:
            item["arguments"] = text
            done = self._event("response.function_call_arguments.done", **place, arguments=text)
        return done + self._event("response.output_item.done", output_index=index, item=item)

    def _part(self, kind: str, item: dict[str, Any], part: dict[str, Any]) -> bytes:
        index = len(self._output) - 1
        return self._event(kind, item_id=item["id"], output_index=index, content_index=0, part=part)

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


def _response(ask: Ask, status: str, output: list[dict[str, Any]], **values: Any) -> str:
    """A response object as JSON; the values are those that are null unless it is over."""
    response = {
        "id": response_id(ask.digest, stored=ask.stored),
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
    # What is echoed of the request is JSON already (`_openai_responses_request.echo`), made once.
    return f"{dumps(response, ask.script)[:-1]},{str(ask.extra)[1:]}"


def _message_item(ask: Ask, index: int) -> dict[str, Any]:
    item = {"id": f"msg_{digest(ask)}{index:02x}", "type": "message", "status": "in_progress"}
    return {**item, "content": [], "role": "assistant"}


def _call_item(ask: Ask, call: int, name: str) -> dict[str, Any]:
    ids = {"id": f"fc_{digest(ask)}{call:02x}", "type": "function_call", "status": "in_progress"}
    return {**ids, "arguments": "", "call_id": f"call_{digest(ask)[:22]}{call:02x}", "name": name}


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _usage(ask: Ask, said: int) -> dict[str, Any]:
    return {
        "input_tokens": ask.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": ask.prompt_tokens + said,
    }
