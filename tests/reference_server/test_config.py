"""The environment: good values, and one clear line for bad ones."""

import pytest

from chatproof.reference_server.config import Config, ConfigError


def test_defaults_need_nothing_and_empty_means_unset() -> None:
    assert Config.from_environment({"PORT": "", "OPENAI_API_KEY": " "}) == Config()


def test_values_are_read() -> None:
    config = Config.from_environment(
        {
            "OPENAI_API_KEY": "k",
            "OPENAI_BASE_URL": "http://127.0.0.1:8089/v1/",
            "PROVIDER_TIMEOUT": "2.5",
            "ALLOWED_ORIGINS": "https://a.example, https://b.example:8443",
            "PORT": "0",
            "MAX_SESSIONS": "12",
            "REDIS_URL": "redis://127.0.0.1:6379/3",
            "WORKERS": "2",
        }
    )
    assert config.openai_base_url == "http://127.0.0.1:8089/v1"
    assert config.provider_timeout == 2.5
    assert config.allowed_origins == ("https://a.example", "https://b.example:8443")
    assert (config.port, config.max_sessions, config.workers) == (0, 12, 2)


@pytest.mark.parametrize(
    ("environ", "provider"),
    [
        ({}, ""),
        ({"OPENAI_API_KEY": "k"}, "openai"),
        ({"GEMINI_API_KEY": "k"}, "gemini"),
        ({"LOCAL_LLM_URL": "http://127.0.0.1:11434"}, "local"),
        ({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k"}, "openai"),
        ({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k", "LLM_PROVIDER": "gemini"}, "gemini"),
        ({"OPENAI_API_KEY": "k", "LOCAL_LLM_URL": "http://[::1]:1", "LLM_PROVIDER": "local"}, "local"),
    ],
)
def test_the_provider_is_named_or_the_one_that_is_configured(environ: dict[str, str], provider: str) -> None:
    assert Config.from_environment(environ).llm_provider == provider


def test_secrets_are_not_shown() -> None:
    secrets = ("openai_api_key", "gemini_api_key", "jwt_secret", "redis_url")
    assert "hidden" not in repr(Config(**dict.fromkeys(secrets, "hidden")))  # type: ignore[arg-type]
    for name in secrets:
        with pytest.raises(ConfigError) as caught:
            Config.from_environment({name.upper(): "hidden key"})
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "80.5"),
        ("PROVIDER_TIMEOUT", "-1"),
        ("PROVIDER_TIMEOUT", "nan"),
        ("PROVIDER_TIMEOUT", "soon"),
        ("ALLOWED_ORIGINS", "example.com"),
        ("ALLOWED_ORIGINS", "https://*.example.com"),
        ("LLM_PROVIDER", "mistral"),
        ("LLM_PROVIDER", "gemini"),
        ("LLM_PROVIDER", "local"),
        ("OPENAI_BASE_URL", "localhost:8000"),
        ("OPENAI_BASE_URL", "http://host:port/v1"),
        ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1"),
        ("LOCAL_LLM_URL", "127.0.0.1:11434"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("WORKERS", "2"),
        ("WORKERS", "0"),
        ("MAX_SESSIONS", "0"),
        ("TRUSTED_PROXIES", "yes"),
        ("PRICE_IN", "-0.1"),
        ("STREAM_LIMIT", "0"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"OPENAI_API_KEY": "k", name: value})
    text = str(caught.value)
    assert name in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("url", "key"), [("OPENAI_BASE_URL", "OPENAI_API_KEY"), ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY")]
)
def test_a_base_url_without_a_key_is_not_ignored(url: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        Config.from_environment({url: "http://127.0.0.1:8089/v1"})
