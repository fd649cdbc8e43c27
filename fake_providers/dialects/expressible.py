"""What a script can ask for and only some providers can say."""

from __future__ import annotations

from typing import Final

from chatproof.fake_providers.scripting.script import Script

_WHO_CAN: Final = "OpenAI (chat completions and responses) and Gemini can"
_NO_FILTER: Final = "local servers have no content filter"


def not_expressible_locally(script: Script) -> str | None:
    """Why a local server cannot play the script, and who can: one line. None if it can.

    Ollama's done_reason is "stop" or "length", and vLLM, llama.cpp and LM Studio have no filter either: to them a
    refusal is text, which the step `refusal` says.
    """
    if script.blocked is not None:
        key = f'blocked = "{script.blocked}"'
    elif script.finish_reason == "content_filter":
        key = 'finish_reason = "content_filter"'
    else:
        return None
    return f"The script {script.name!r} has {key}, and {_NO_FILTER}: {_WHO_CAN}."
