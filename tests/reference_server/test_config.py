"""The environment: good values, and one clear line for bad ones."""

from pathlib import Path

import pytest

from chatproof.reference_server.config import REMOVED, Config, ConfigError, read_env_file, suspicious_names


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
            "SESSIONS_MB": "12",
            "REDIS_URL": "redis://127.0.0.1:6379/3",
            "WORKERS": "2",
        }
    )
    assert config.openai_base_url == "http://127.0.0.1:8089/v1"
    assert config.provider_timeout == 2.5
    assert config.allowed_origins == ("https://a.example", "https://b.example:8443")
    assert (config.port, config.sessions_mb, config.workers) == (0, 12, 2)


@pytest.mark.parametrize(
    ("environ", "provider"),
    [
        ({}, ""),
        ({"OPENAI_API_KEY": "k"}, "openai"),
        ({"GEMINI_API_KEY": "k"}, "gemini"),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic"),
        ({"LOCAL_LLM_URL": "http://127.0.0.1:11434"}, "local"),
        ({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k"}, "openai"),
        ({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k", "LLM_PROVIDER": "gemini"}, "gemini"),
        ({"OPENAI_API_KEY": "k", "LOCAL_LLM_URL": "http://[::1]:1", "LLM_PROVIDER": "local"}, "local"),
    ],
)
def test_the_provider_is_named_or_the_one_that_is_configured(environ: dict[str, str], provider: str) -> None:
    assert Config.from_environment(environ).llm_provider == provider


def test_secrets_are_not_shown() -> None:
    secrets = ("openai_api_key", "gemini_api_key", "anthropic_api_key", "jwt_secret", "redis_url")
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
        ("LLM_PROVIDER", "anthropic"),
        ("LLM_PROVIDER", "local"),
        ("OPENAI_BASE_URL", "localhost:8000"),
        ("OPENAI_BASE_URL", "http://host:port/v1"),
        ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1"),
        ("LOCAL_LLM_URL", "127.0.0.1:11434"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("WORKERS", "2"),
        ("WORKERS", "0"),
        ("SESSIONS_MB", "0"),
        ("PING_INTERVAL", "2.5"),
        ("JWT_SECRET", "too-short"),
        ("ALLOWED_ORIGINS", "https://bücher.example"),
        ("ALLOWED_ORIGINS", "https://a.example/chat"),
        ("ALLOWED_ORIGINS", "null"),
        ("TRUSTED_PROXIES", "yes"),
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
    ("url", "key"),
    [
        ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
        ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY"),
        ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
    ],
)
def test_a_base_url_without_a_key_is_not_ignored(url: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        Config.from_environment({url: "http://127.0.0.1:8089/v1"})


def test_origins_are_as_browsers_write_them() -> None:
    written = "https://Chat.Example:443, http://a.example:80,http://[::1]:8080 , https://b.example:80"
    origins = Config.from_environment({"ALLOWED_ORIGINS": written}).allowed_origins
    assert origins == ("https://chat.example", "http://a.example", "http://[::1]:8080", "https://b.example:80")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STREAM_LIMT", "STREAM_LIMIT"),
        ("STREAMLIMIT", "STREAM_LIMIT"),
        ("ALLOWED_ORIGIN", "ALLOWED_ORIGINS"),
        ("PROVIDER_TIMOUT", "PROVIDER_TIMEOUT"),
        ("REDIS_URI", "REDIS_URL"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
    ],
)
def test_a_misspelt_setting_is_told_wherever_it_stands(name: str, meant: str) -> None:
    for line in (*suspicious_names([], [name]), *suspicious_names([name], [])):
        assert name in line
        assert f"is {meant} meant?" in line
    assert len([*suspicious_names([name], [name])]) == 2
    assert [*suspicious_names([name, meant], [])] == [], "whoever set both knows the right one"


def test_small_letters_are_told_in_the_file_alone() -> None:
    """There a line begins with a setting's name; the environment has names of other programs, such as `host`."""
    assert "is PORT meant?" in next(suspicious_names([], ["port"]))
    assert [*suspicious_names(["port", "host"], [])] == []


def test_other_names_are_one_line_of_the_file_and_none_of_the_environment() -> None:
    others = ["DATABASE_URL", "NODE_ENV", "OPENAI_ORG_ID", "PATH", "HOME", "HOSTNAME", "LANG"]
    assert [*suspicious_names(others, [])] == []
    (line,) = suspicious_names([], [*others, "PORT"])
    assert "DATABASE_URL" in line
    assert "PORT" not in line
    assert len(next(suspicious_names([], ["X" * 10_000 + str(number) for number in range(100)]))) < 400


@pytest.mark.parametrize("name", REMOVED)
def test_a_removed_setting_is_one_line(name: str) -> None:
    for found in (suspicious_names([], [name]), suspicious_names([name], [])):
        (line,) = found
        assert line.startswith(f"{name} in ")
        assert "no longer a setting" in line


def test_an_env_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert read_env_file(str(file)) == {}
    file.write_text("# a comment\nPORT=1\nexport HOST = 'x'\nALONE\n")
    assert read_env_file(str(file)) == {"PORT": "1", "HOST": "x", "ALONE": ""}
    file.write_bytes(b"PORT=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"cannot read .*\.env: it is not UTF-8\."):
        read_env_file(str(file))
