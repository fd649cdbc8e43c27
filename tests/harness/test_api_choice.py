"""`--api`: a name, a file with a table, or the table of the configuration file."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.check_command import check_command
from chatproof.harness.common.configuration import configured
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import OWN_TABLE
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import Profile, contract
from tests.servers.apis.tables import LINES, MADE_UP

TABLE = """
[api]
name = "mine"
path = "/ask"
model = "big"
body = { q = "{message}", model = "{model}" }
text = { pointer = "/t" }
end = { mark = "[DONE]" }
"""


def settings(**options: Any) -> Settings:
    return Settings.read({"base_url": "http://127.0.0.1:1", **options}, contract())


def rows(one: Settings) -> set[str]:
    return set(one.selected(contract()))


def test_a_file_with_a_table_is_an_api() -> None:
    one = settings(api_name=MADE_UP)
    assert (one.api.name, one.api.path) == ("made-up", "/v2/talk")
    assert {"TOK-04", "API-01", "API-04", "SSE-01", "SIO-06", "INT-03"} <= rows(one)
    assert not {"TOK-01", "SIO-04", "SIO-05", "SES-01", "OAI-01"} & rows(one)
    assert one.profiles == {Profile.CORE, Profile.SOCKETIO}


def test_rows_hold_for_what_an_api_has(tmp_path: Path) -> None:
    """No Content-Type of server-sent events for lines, no conversations where nobody carries the turns."""
    assert not {"SSE-01", "SIO-06"} & rows(settings(api_name=LINES))
    path = tmp_path / "mine.toml"
    path.write_text(TABLE, encoding="utf-8")
    assert "API-01" not in rows(settings(api_name=str(path)))
    assert "API-04" in rows(settings(api_name=str(path)))
    path.write_text(TABLE.replace('pointer = "/t"', "raw = true"), encoding="utf-8")
    assert "API-04" not in rows(settings(api_name=str(path)))
    with pytest.raises(ChatproofError, match="there is no profile 'socketio'"):
        settings(api_name=str(path), profile=["socketio"])


@pytest.mark.parametrize("name", ["chatproof.toml", "pyproject.toml"])
def test_the_table_of_the_configuration_counts_unless_an_option_names_another(tmp_path: Path, name: str) -> None:
    text = TABLE if name == "chatproof.toml" else TABLE.replace("[api]", "[tool.chatproof.api]")
    (tmp_path / name).write_text(text, encoding="utf-8")
    for given in ({}, {"api_name": OWN_TABLE}):
        one = settings(**configured(given, [tmp_path]))
        assert one.api.name == "mine"
        assert one.api_name == str(tmp_path / name)
    assert settings(**configured({"api_name": "ai-sdk"}, [tmp_path])).api.name == "ai-sdk"
    assert settings(api_name=str(tmp_path / name)).api.name == "mine"


def test_the_key_names_an_api_or_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TABLE, encoding="utf-8")
    (tmp_path / "chatproof.toml").write_text('api = "mine.toml"', encoding="utf-8")
    assert settings(**configured({}, [tmp_path])).api.name == "mine"
    (tmp_path / "chatproof.toml").write_text('api = "ag-ui"', encoding="utf-8")
    assert settings(**configured({}, [tmp_path])).api.name == "ag-ui"


def test_path_and_model_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TABLE, encoding="utf-8")
    one = settings(api_name=str(path), api_path="/other", api_model="small")
    assert one.api.path == "/other"
    assert getattr(one.api, "model", "") == "small"
    with pytest.raises(ChatproofError, match="--api-model: the api made-up has no model to choose"):
        settings(api_name=MADE_UP, api_model="small")


def test_the_command_that_judges_again_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my api.toml"
    path.write_text(TABLE, encoding="utf-8")
    assert f"--api {shlex.quote(str(path))}" in check_command(settings(api_name=str(path)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no table [api]; docs/apis.md shows one"),
        ("[apis]\n", "there is no table [api]; is it the one called 'apis'?"),
        ("api = 5\n", "api is not a table: 5"),
        ("[api\n", "line 1"),
        (f"a = {'[' * 5000}{']' * 5000}\n", "nested too deeply"),
        ("[api]\nnmae = 'x'\n", "api.nmae: unknown key; did you mean name?"),
        (TABLE.replace("/t", "t"), "api.text.pointer: 't' is no JSON pointer"),
        (TABLE + "\n[api.error]\npointr = '/e'\n", "api.error.pointr: unknown key; did you mean pointer?"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ChatproofError) as caught:
        ApiChoice.of({"api_name": str(path)})
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("ai-sk", "--api: there is no api 'ai-sk'; did you mean ai-sdk?"),
        ("langserve", "--api: there is no api 'langserve'; known: chat-stream, .*, or a file such as my-api.toml"),
        ("nowhere.toml", "--api: cannot read nowhere.toml: No such file"),
        ("/", "--api: cannot read /: Is a directory"),
        (OWN_TABLE, "no configuration file has a table"),
    ],
)
def test_an_unknown_api_is_told(word: str, says: str) -> None:
    with pytest.raises(ChatproofError) as caught:
        ApiChoice.of({"api_name": word})
    assert re.search(says, str(caught.value))


def test_a_file_that_windows_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode())
    assert ApiChoice.of({"api_name": str(path)}).api.name == "mine"
