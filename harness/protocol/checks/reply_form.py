"""What every whole reply over HTTP keeps, whatever it says: the form that its api asks for."""

from __future__ import annotations

from typing import Final

from chatproof.harness.protocol.apis import ag_ui_checks, ai_sdk_checks, openai_chat_checks
from chatproof.harness.protocol.apis.ag_ui import AG_UI
from chatproof.harness.protocol.apis.ai_sdk import AI_SDK
from chatproof.harness.protocol.apis.api import Api, Framing
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.apis.chat_stream.completion_checks import COMPLETION_CHECKS
from chatproof.harness.protocol.apis.chat_stream.token_checks import TOKEN_CHECKS
from chatproof.harness.protocol.apis.openai_chat import OPENAI_CHAT
from chatproof.harness.protocol.checks import sse
from chatproof.harness.protocol.checks.end import ends_once, one_completion_and_last
from chatproof.harness.protocol.checks.strict_events import end_is_dispatched, events_are_strict
from chatproof.harness.protocol.findings import Check

OF_EVERY_STREAM: Final = (*sse.OF_EVERY_API, sse.not_cacheable)
OF_OTHER_APIS: Final = (ends_once("API-05"), end_is_dispatched, events_are_strict)
_OWN: Final = {
    CHAT_STREAM.name: (
        *sse.STREAM_CHECKS,
        sse.not_cacheable,
        one_completion_and_last,
        *TOKEN_CHECKS,
        *COMPLETION_CHECKS,
    ),
    OPENAI_CHAT.name: (*OF_EVERY_STREAM, *OF_OTHER_APIS, *openai_chat_checks.STREAM_CHECKS),
    AI_SDK.name: (*OF_EVERY_STREAM, *OF_OTHER_APIS, *ai_sdk_checks.STREAM_CHECKS),
    AG_UI.name: (*OF_EVERY_STREAM, *OF_OTHER_APIS, *ag_ui_checks.STREAM_CHECKS),
}


OF_EACH_EVENT: Final = ("API-04", "OAI-02", "AIS-05", "AGU-04")


def checks_of_events(api: Api) -> tuple[Check, ...]:
    """Those that look at each event of a stream by itself, however the reply goes."""
    return (events_are_strict, *(one for one in _OWN.get(api.name, ()) if one.id in OF_EACH_EVENT[1:]))


def checks_of(api: Api) -> tuple[Check, ...]:
    """The checks that fit a reply of any content. Of an api that nobody knows: those of its framing and of its end."""
    of_framing = OF_EVERY_STREAM if api.framing is Framing.SSE else ()
    return _OWN.get(api.name, (*of_framing, *OF_OTHER_APIS))
