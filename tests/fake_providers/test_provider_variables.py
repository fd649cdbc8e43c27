"""The table of provider variables."""

from __future__ import annotations

from chatproof.fake_providers.dialects.provider_variables import client_variables, server_variables

ROOT = "http://127.0.0.1:8089"


def test_clients_of_each_provider_are_sent_to_the_fakes() -> None:
    assert client_variables("openai", ROOT) == {"OPENAI_BASE_URL": f"{ROOT}/v1", "OPENAI_API_KEY": "fake-key"}
    assert client_variables("gemini", ROOT, "k") == {"GOOGLE_GEMINI_BASE_URL": ROOT, "GEMINI_API_KEY": "k"}
    assert client_variables("anthropic", ROOT) == {"ANTHROPIC_BASE_URL": ROOT, "ANTHROPIC_API_KEY": "fake-key"}
    assert client_variables("local", ROOT) == {"LOCAL_LLM_URL": ROOT, "OLLAMA_HOST": ROOT}


def test_a_server_gets_all_usual_addresses_and_its_provider() -> None:
    assert server_variables("gemini", ROOT, "k") == {
        "OPENAI_BASE_URL": f"{ROOT}/v1",
        "OPENAI_API_KEY": "k",
        "GOOGLE_GEMINI_BASE_URL": ROOT,
        "GEMINI_API_KEY": "k",
        "LOCAL_LLM_URL": ROOT,
        "LLM_PROVIDER": "gemini",
    }


def test_a_server_hears_of_anthropic_only_if_it_is_to_use_it() -> None:
    """A server may choose its provider by the keys that it finds."""
    assert "ANTHROPIC_API_KEY" not in server_variables("openai", ROOT)
    told = server_variables("anthropic", ROOT, "k")
    assert (told["ANTHROPIC_BASE_URL"], told["ANTHROPIC_API_KEY"], told["LLM_PROVIDER"]) == (ROOT, "k", "anthropic")
