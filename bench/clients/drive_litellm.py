"""LiteLLM against the fakes: the loop that its users write, over OpenAI's two APIs, Gemini and Ollama."""

from __future__ import annotations

import json
import os
from typing import Any

import litellm

from bench.clients.attempts import QUESTION, THINK, TOOL, Tool, attempt_all, is_text, were_counted
from bench.clients.forecast import Forecast

MODELS: dict[str, dict[str, Any]] = {
    "chat completions": {"model": "openai/gpt-5"},
    "Gemini": {"model": "gemini/gemini-2.5-flash", "api_base": f"{os.environ['GOOGLE_GEMINI_BASE_URL']}/v1beta"},
    "Ollama": {"model": "ollama_chat/qwen3", "api_base": os.environ["OLLAMA_HOST"]},
}
_MOST_TURNS = 5
_DECLARED = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
            "required": ["city", "unit"],
        },
    },
}


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def answer_to(api: str, messages: list[Any], streamed: bool, **more: Any) -> Any:
    """The whole answer, usage included."""
    if streamed:
        more["stream_options"] = {"include_usage": True}
    answer: Any = litellm.completion(messages=messages, stream=streamed, **MODELS[api], **more)
    return litellm.stream_chunk_builder(list(answer), messages=messages) if streamed else answer


def tool_loop(api: str, streamed: bool) -> None:
    tool, messages = Tool(), said(TOOL)
    message: Any = None
    for _ in range(_MOST_TURNS):
        message = answer_to(api, messages, streamed, tools=[_DECLARED]).choices[0].message
        messages.append(message)
        for call in message.tool_calls or ():
            result = tool.get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": result})
        if not message.tool_calls:
            break
    tool.ran_once(message.content)


def structured(api: str, streamed: bool) -> None:
    answer = answer_to(api, said(QUESTION), streamed, response_format=Forecast)
    Forecast.model_validate_json(answer.choices[0].message.content)


def reasoning(api: str, streamed: bool) -> None:
    answer = answer_to(api, said(THINK), streamed, reasoning_effort="low")
    message = answer.choices[0].message
    is_text(message.content)
    if api == "chat completions":
        were_counted(answer.usage.completion_tokens_details.reasoning_tokens)
        return
    is_text(getattr(message, "reasoning_content", None))


litellm.suppress_debug_info = True
attempt_all("litellm", MODELS, (tool_loop, structured, reasoning))
