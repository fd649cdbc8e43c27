"""The class AzureOpenAI of the official clients, unmodified, against the fake: Python here, JavaScript beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.testing.inprocess import InProcess
from tests.clients import node
from tests.fake_providers.kit import Served

pytest.importorskip("openai", reason="the official openai client is not installed")

import openai
from openai import AsyncAzureOpenAI, AzureOpenAI, OpenAI

VERSION = "2024-10-21"
SECRET = "azure-key-0123456789abcdef"


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def azure(served: Served) -> Iterator[AzureOpenAI]:
    with AzureOpenAI(azure_endpoint=served.url, api_key=SECRET, api_version=VERSION, max_retries=0) as made:
        yield made


def test_chats_and_streams(azure: AzureOpenAI, scripts: dict[str, Script]) -> None:
    reply = azure.chat.completions.create(model="prod-chat", messages=said("scenario hello"))
    assert reply.choices[0].message.content == scripts["hello"].text
    assert reply.model == "gpt-4o-2024-11-20"
    assert reply.choices[0].model_extra
    chunks = list(azure.chat.completions.create(model="prod-chat", messages=said("scenario unicode"), stream=True))
    assert chunks[0].choices == []
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == scripts["unicode"].text
    with azure.chat.completions.stream(model="prod-chat", messages=said("scenario tool-call")) as stream:
        final = stream.get_final_completion().choices[0]
    assert final.message.tool_calls
    assert json.loads(final.message.tool_calls[0].function.arguments)


def test_a_client_of_one_deployment(served: Served, scripts: dict[str, Script]) -> None:
    with AzureOpenAI(
        azure_endpoint=served.url, azure_deployment="prod-chat", api_key=SECRET, api_version=VERSION
    ) as azure:
        assert azure.chat.completions.create(model="x", messages=said("Hi")).model == "gpt-4o-2024-11-20"
        assert "gpt-4o" in [model.id for model in azure.models.list()]
        made = azure.responses.create(model="prod-chat", input="scenario hello")
        assert azure.responses.retrieve(made.id).output_text == scripts["hello"].text
        assert len(azure.embeddings.create(model="vectors", input="Hi").data[0].embedding) == 1_536


async def test_a_token_of_entra_and_the_version_one_api(served: Served, scripts: dict[str, Script]) -> None:
    async with AsyncAzureOpenAI(azure_endpoint=served.url, azure_ad_token="token", api_version=VERSION) as azure:
        reply = await azure.chat.completions.create(model="prod-chat", messages=said("scenario hello"))
        assert reply.choices[0].message.content == scripts["hello"].text
    with OpenAI(base_url=f"{served.url}/openai/v1/", api_key=SECRET) as client:
        assert client.responses.create(model="prod-chat", input="scenario hello").output_text == scripts["hello"].text


def test_errors_are_the_clients_own(azure: AzureOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as absent:
        azure.chat.completions.create(model="missing-chat", messages=said("Hi"))
    assert absent.value.code == "DeploymentNotFound"
    with pytest.raises(openai.RateLimitError) as limited:
        azure.chat.completions.create(model="prod-chat", messages=said("scenario rate-limited"))
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("429", "1")
    with pytest.raises(openai.BadRequestError) as filtered:
        azure.chat.completions.create(model="prod-chat", messages=said("scenario blocked"))
    assert filtered.value.code == "content_filter"
    with pytest.raises(openai.NotFoundError):
        azure.moderations.create(input="Hi")


async def test_the_journal_hides_the_key(azure: AzureOpenAI, fakes: Fakes) -> None:
    azure.chat.completions.create(model="prod-chat", messages=said(f"my key is api-key: {SECRET}"))
    azure.responses.create(model="prod-chat", input=f"api-key: {SECRET}")
    for entry in await fakes.entries():
        assert (entry.provider, entry.headers["api-key"]) == ("openai", "[redacted]")
        assert SECRET not in json.dumps(entry.to_json())


def test_in_process_the_real_address_is_answered(scripts: dict[str, Script]) -> None:
    """Without a change to the program: the requests to its own resource stay here."""
    with (
        InProcess(pace=0) as fakes,
        AzureOpenAI(azure_endpoint="https://ours.openai.azure.com", api_key=SECRET, api_version=VERSION) as azure,
    ):
        reply = azure.chat.completions.create(model="prod-chat", messages=said("scenario hello"))
        assert reply.choices[0].message.content == scripts["hello"].text
        (entry,) = fakes.journal.entries()
        assert SECRET not in json.dumps(entry.to_json())


@node.needs("openai")
@node.needs("@google/genai")
async def test_the_javascript_clients_on_every_new_path(served: Served, scripts: dict[str, Script]) -> None:
    """AzureOpenAI, Gemini's OpenAI path and Interactions, in one process: node takes a second to start."""
    found = await node.run("routes.mjs", served.url)
    hello = scripts["hello"].text
    assert found["azure"] == {
        "whole": hello,
        "model": "gpt-4o-2024-11-20",
        "stream": hello,
        "response": hello,
        "again": hello,
        "error": ["NotFoundError", "DeploymentNotFound"],
    }
    assert found["compatible"] == {"whole": hello, "stream": hello, "models": True, "error": 404}
    assert found["interactions"] == {
        "whole": hello,
        "stream": hello,
        "again": "completed",
        "calls": ["requires_action", "get_weather"],
        "after": "completed",
        "error": 404,
    }
