"""openai-agents against the fakes: Responses and chat completions, streamed and not."""

from __future__ import annotations

from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning

from bench.clients.attempts import QUESTION, THINK, TOOL, Tool, attempt_all, is_text, is_whole, were_counted
from bench.clients.forecast import Forecast

MODELS: dict[str, tuple[type[Any], str]] = {
    "Responses": (OpenAIResponsesModel, "gpt-5"),
    "chat completions": (OpenAIChatCompletionsModel, "gpt-5"),
}


def agent(api: str, **more: Any) -> Agent[None]:
    kind, name = MODELS[api]
    return Agent(name="Weather", model=kind(model=name, openai_client=AsyncOpenAI()), **more)


async def run(asked: Agent[None], text: str, streamed: bool) -> Any:
    """The result of the agent's loop."""
    if not streamed:
        return await Runner.run(asked, text)
    result = Runner.run_streamed(asked, text)
    async for _ in result.stream_events():
        pass
    return result


async def tool_loop(api: str, streamed: bool) -> None:
    tool = Tool()
    result = await run(agent(api, tools=[function_tool(tool.get_weather)]), TOOL, streamed)
    tool.ran_once(result.final_output)


async def structured(api: str, streamed: bool) -> None:
    result = await run(agent(api, output_type=Forecast), QUESTION, streamed)
    is_whole(result.final_output)


async def reasoning(api: str, streamed: bool) -> None:
    settings = ModelSettings(reasoning=Reasoning(summary="auto", effort="low"), include_usage=True)
    result = await run(agent(api, model_settings=settings), THINK, streamed)
    is_text(result.final_output)
    if api == "chat completions":
        were_counted(result.context_wrapper.usage.output_tokens_details.reasoning_tokens)
        return
    thoughts = [item for item in result.new_items if item.type == "reasoning_item"]
    assert thoughts, f"no reasoning item among {[item.type for item in result.new_items]}"


set_tracing_disabled(True)
attempt_all("openai-agents", MODELS, (tool_loop, structured, reasoning))
