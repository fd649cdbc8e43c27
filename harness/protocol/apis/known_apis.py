"""The apis that can be named: the API document's own, and those of public protocols."""

from __future__ import annotations

from typing import Final

from chatproof.harness.protocol.apis.ag_ui import AG_UI
from chatproof.harness.protocol.apis.ai_sdk import AI_SDK
from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.apis.openai_chat import OPENAI_CHAT

KNOWN_APIS: Final[dict[str, Api]] = {api.name: api for api in (CHAT_STREAM, OPENAI_CHAT, AI_SDK, AG_UI)}
