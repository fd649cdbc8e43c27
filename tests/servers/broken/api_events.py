"""Faults in the events of one api each, against its public specification."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from tests.servers.apis.good_servers import DONE, AgUiServer, AiSdkServer, OpenAiServer
from tests.servers.apis.stream_server import Frame
from tests.servers.broken.fault import Server, fault
from tests.servers.parts import Ask, ProviderFailed


def of_openai(name: str, must: str, says: str = "", only: str = "OAI", may: str = "") -> Callable[[Server], Server]:
    return fault(f"openai-chat-{name}", must, only, may=may, says=says, api="openai-chat")


def of_ai_sdk(name: str, must: str, says: str = "", only: str = "AIS", may: str = "") -> Callable[[Server], Server]:
    return fault(f"ai-sdk-{name}", must, only, may=may, says=says, api="ai-sdk")


def of_ag_ui(name: str, must: str, says: str = "", only: str = "AGU", may: str = "") -> Callable[[Server], Server]:
    return fault(f"ag-ui-{name}", must, only, may=may, says=says, api="ag-ui")


@of_openai("text-behind-the-reason", "OAI-03", "after finish_reason 'stop'")
class TextBehindTheReason(OpenAiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.chunk(name, {}, "stop"), self.chunk(name, {"content": " "}), DONE]


@of_openai("two-reasons", "OAI-03 API-05", "'stop' after 'length'", "OAI API-05")
class TwoReasons(OpenAiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.chunk(name, {}, "length"), *super().closing(name, body, said)]


@of_openai("mark-before-the-end", "OAI-01", "after [DONE] came")
class MarkBeforeTheEnd(OpenAiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [DONE, self.chunk(name, {}, "stop")]


@of_openai("usage-without-choices", "OAI-02", "choices None")
class UsageWithoutChoices(OpenAiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        head = {"id": f"chatcmpl-{name}", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return [self.chunk(name, {}, "stop"), self.frame({**head, "usage": {"completion_tokens": 2}}), DONE]


@of_openai("messages-for-deltas", "OAI-02 API-05", "without a delta", "OAI API-05")
class MessagesForDeltas(OpenAiServer):
    """Chunks that look like whole completions."""

    def frame(self, event: dict[str, Any]) -> Frame:
        for choice in event.get("choices", ()):
            choice["message"] = choice.pop("delta")
        return super().frame(event)


@of_openai("error-with-200", "ERR-02", "no error", "ERR-02")
class ErrorWith200(OpenAiServer):
    """A failure before the first token is a JSON document with status 200, and no stream."""

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        messages = self.messages_of(await self.body_of(request))
        try:
            async for _ in self.tokens(messages, Ask(messages[-1]["content"], "")):
                break
        except ProviderFailed as failure:
            return web.json_response({"error": {"message": str(failure)}})
        return await super().on_ask(request)


@of_openai("error-in-words", "OAI-04", "data: 'The language model")
class ErrorInWords(OpenAiServer):
    """`event: error` with a text that is no JSON."""

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [b"event: error\ndata: " + text.encode() + b"\n\n", DONE]


@of_openai("json-lines", "API-05 SSE-04", "no text", "API-05 SSE-04")
class JsonLines(OpenAiServer):
    def frame(self, event: dict[str, Any]) -> Frame:
        return json.dumps(event).encode() + b"\n"


@of_ai_sdk("no-text-end", "AIS-02", "while the text block '0' is open")
class NoTextEnd(AiSdkServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return super().closing(name, body, False)


@of_ai_sdk("start-before-each-delta", "AIS-02", "which is open")
class StartBeforeEachDelta(AiSdkServer):
    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return super().text(name, token, True)


@of_ai_sdk("block-across-steps", "AIS-02", "finish-step while")
class BlockAcrossSteps(AiSdkServer):
    """A step ends while its block goes on."""

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return [*super().text(name, token, is_first), self.frame({"type": "finish-step"})]


@of_ai_sdk("text-behind-finish", "AIS-03", "behind finish came")
class TextBehindFinish(AiSdkServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        *rest, mark = super().closing(name, body, said)
        return [*rest, *self.text(name, "!", True), self.frame({"type": "text-end", "id": "0"}), mark]


@of_ai_sdk("finish-twice", "AIS-03", "behind finish came")
class FinishTwice(AiSdkServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        *rest, mark = super().closing(name, body, said)
        return [*rest, rest[-1], mark]


@of_ai_sdk("text-for-delta", "AIS-05 API-05", "no delta", "AIS API-05", may="AIS-06")
class TextForDelta(AiSdkServer):
    """The field as other protocols name it."""

    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame({("text" if name == "delta" else name): value for name, value in event.items()})


@of_ai_sdk("own-part", "AIS-05", "the type 'status'")
class OwnPart(AiSdkServer):
    """A part of its own, whose type does not begin with `data-`."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [*super().opening(name, body), self.frame({"type": "status", "text": "thinking"})]


@of_ai_sdk("error-for-error-text", "AIS-05", "no errorText")
class ErrorForErrorText(AiSdkServer):
    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"type": "error", "error": text}), DONE]


@of_ai_sdk("numbers-deltas", "AIS-06", "the field 'index'")
class NumbersDeltas(AiSdkServer):
    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame({**event, "index": 1} if event["type"] == "text-delta" else event)


@of_ai_sdk("role-in-text-start", "AIS-06", "the field 'role'")
class RoleInTextStart(AiSdkServer):
    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame({**event, "role": "assistant"} if event["type"] == "text-start" else event)


@of_ag_ui("no-message-end", "AGU-02", "RUN_FINISHED while the message")
class NoMessageEnd(AgUiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return super().closing(name, body, False)


@of_ag_ui("id-for-each-event", "AGU-02", "which is not open")
class IdForEachEvent(AgUiServer):
    count = 0

    def frame(self, event: dict[str, Any]) -> Frame:
        self.count += 1
        return super().frame({**event, "messageId": f"m{self.count}"} if "messageId" in event else event)


@of_ag_ui("step-left-open", "AGU-02", "while the step 'chat' is open")
class StepLeftOpen(AgUiServer):
    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [*super().opening(name, body), self.frame({"type": "STEP_STARTED", "stepName": "chat"})]


@of_ag_ui("no-finish", "AGU-01", "the run never ended")
class NoFinishOfRun(AgUiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [frame for frame in super().closing(name, body, said) if b"RUN_FINISHED" not in frame]


@of_ag_ui("started-twice", "AGU-01", "while a run is under way")
class StartedTwice(AgUiServer):
    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [*super().opening(name, body), *super().opening(name, body)]


@of_ag_ui("finishes-another-run", "AGU-03", "RUN_FINISHED with runId")
class FinishesAnotherRun(AgUiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return super().closing(name, {**body, "runId": name}, said)


@of_ag_ui("snake-case", "AGU-04", "no messageId", may="AGU-02")
class SnakeCase(AgUiServer):
    """`message_id`, as its models have it inside."""

    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame({("message_id" if name == "messageId" else name): value for name, value in event.items()})


@of_ag_ui("own-event", "AGU-04", "the type 'USAGE'")
class OwnEvent(AgUiServer):
    """An event of its own, which is no `CUSTOM`."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [*super().opening(name, body), self.frame({"type": "USAGE", "tokens": 3})]


@of_ag_ui("error-without-message", "AGU-04", "no message")
class ErrorWithoutMessage(AgUiServer):
    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"type": "RUN_ERROR", "error": text})]


@of_ag_ui("cr-lf", "AGU-04", "CR LF")
class CrLfOfAgUi(AgUiServer):
    """As sse-starlette and others frame events by default."""

    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame(event).replace(b"\n", b"\r\n")
