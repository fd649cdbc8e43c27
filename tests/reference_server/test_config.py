"""The environment: good values, and one clear line for bad ones."""

import pytest

from reference_server.config import Config, ConfigError


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
            "LLM_PROVIDER": "openai",
        }
    )
    assert config.openai_base_url == "http://127.0.0.1:8089/v1"
    assert config.provider_timeout == 2.5
    assert config.allowed_origins == ("https://a.example", "https://b.example:8443")
    assert config.port == 0


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Config(openai_api_key="secret"))
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"OPENAI_API_KEY": "secret key"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "abc"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PROVIDER_TIMEOUT", "-1"),
        ("PROVIDER_TIMEOUT", "nan"),
        ("PROVIDER_TIMEOUT", "soon"),
        ("ALLOWED_ORIGINS", "example.com"),
        ("LLM_PROVIDER", "gemini"),
        ("OPENAI_BASE_URL", "localhost:8000"),
        ("OPENAI_BASE_URL", "http://host:port/v1"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"OPENAI_API_KEY": "k", name: value})
    text = str(caught.value)
    assert name.lower() in text.lower()
    assert "\n" not in text


def test_a_base_url_without_a_key_is_not_ignored() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        Config.from_environment({"OPENAI_BASE_URL": "http://127.0.0.1:8089/v1"})
