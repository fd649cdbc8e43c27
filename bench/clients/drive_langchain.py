"""LangChain against the fakes: an agent over OpenAI's two APIs and Gemini."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from bench.clients.attempts import QUESTION, THINK, TOOL, Tool, attempt_all, is_text, is_whole, were_counted
from bench.clients.forecast import Forecast


def model(api: str) -> BaseChatModel:
    if api == "Gemini":
        return ChatGoogleGenerativeAI(model="gemini-2.5-flash", include_thoughts=True)
    if api == "Responses":
        return ChatOpenAI(model="gpt-5", use_responses_api=True, reasoning={"summary": "auto"})
    return ChatOpenAI(model="gpt-5", stream_usage=True)


def text_of(message: Any) -> str:
    return "".join(block.get("text", "") for block in message.content_blocks if block["type"] == "text")


def tool_loop(api: str, streamed: bool) -> None:
    tool = Tool()
    agent: Any = create_agent(model(api), tools=[tool.get_weather])
    asked = {"messages": [{"role": "user", "content": TOOL}]}
    if streamed:
        *_, last = agent.stream(asked, {"recursion_limit": 20}, stream_mode="values")
    else:
        last = agent.invoke(asked, {"recursion_limit": 20})
    tool.ran_once(text_of(last["messages"][-1]))


def structured(api: str, streamed: bool) -> None:
    asker: Any = model(api).with_structured_output(Forecast)
    if streamed:
        *_, value = asker.stream(QUESTION)
    else:
        value = asker.invoke(QUESTION)
    is_whole(value)


def reasoning(api: str, streamed: bool) -> None:
    asker: Any = model(api)
    if streamed:
        reply = None
        for chunk in asker.stream(THINK):
            reply = chunk if reply is None else reply + chunk
    else:
        reply = asker.invoke(THINK)
    assert reply is not None, "no chunk"
    is_text(text_of(reply))
    if api == "chat completions":
        were_counted(reply.usage_metadata["output_token_details"].get("reasoning"))
        return
    kinds = [block["type"] for block in reply.content_blocks]
    assert "reasoning" in kinds, f"no reasoning block among {kinds}"


attempt_all("langchain", ("Responses", "chat completions", "Gemini"), (tool_loop, structured, reasoning))
