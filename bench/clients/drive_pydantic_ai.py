"""pydantic-ai against the fakes: OpenAI's two APIs and Gemini, streamed and not."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, ThinkingPart

from bench.clients.attempts import QUESTION, THINK, TOOL, Tool, attempt_all, is_text, is_whole, were_counted
from bench.clients.forecast import Forecast

MODELS = {
    "Responses": "openai-responses:gpt-5",
    "chat completions": "openai-chat:gpt-5",
    "Gemini": "google:gemini-2.5-flash",
}


SHOW: dict[str, Any] = {
    "Responses": {"openai_reasoning_summary": "auto"},
    "chat completions": {},
    "Gemini": {"google_thinking_config": {"include_thoughts": True}},
}


async def run(agent: Agent[None, Any], text: str, streamed: bool) -> tuple[Any, list[Any]]:
    """The output, and all replies."""
    if streamed:
        async with agent.run_stream(text) as stream:
            output = await stream.get_output()
            messages = stream.all_messages()
    else:
        result = await agent.run(text)
        output, messages = result.output, result.all_messages()
    return output, [message for message in messages if isinstance(message, ModelResponse)]


async def tool_loop(api: str, streamed: bool) -> None:
    tool = Tool()
    output, _ = await run(Agent(MODELS[api], tools=[tool.get_weather]), TOOL, streamed)
    tool.ran_once(output)


async def structured(api: str, streamed: bool) -> None:
    output, _ = await run(Agent(MODELS[api], output_type=Forecast), QUESTION, streamed)
    is_whole(output)


async def reasoning(api: str, streamed: bool) -> None:
    output, replies = await run(Agent(MODELS[api], model_settings=SHOW[api]), THINK, streamed)
    is_text(output)
    if api == "chat completions":
        were_counted(replies[-1].usage.details.get("reasoning_tokens"))
        return
    parts = [part for reply in replies for part in reply.parts]
    kinds = [type(part).__name__ for part in parts]
    assert any(isinstance(part, ThinkingPart) and part.content for part in parts), f"no thoughts among {kinds}"


attempt_all("pydantic-ai", MODELS, (tool_loop, structured, reasoning))
