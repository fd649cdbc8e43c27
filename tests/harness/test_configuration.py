"""The configuration file: what it may say, what it may not, and that options beat it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chatproof.harness.command import HelpParser
from chatproof.harness.common.configuration import FILE, configured
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import GROUPS, KEYS, OPTIONS, PREFIX, add_options
from chatproof.harness.common.settings import DECLARABLE, SECRET_VARIABLE, Settings
from chatproof.harness.common.toml_file import PROJECT
from chatproof.harness.protocol.requirements import Profile, contract
from chatproof.harness.report.listing import listing
from chatproof.harness.report.options_page import PAGE, page

WHOLE = """
start = "server {port}"
profiles = "all"
providers = ["openai", "local"]
allowed_origin = "https://app.example"
jwt-secret = "not a real one"
stream-limit = 5
silence = 3
time-scale = 1.5
strict = true
only = ["SSE", "END-01"]
report-json = "out/report.json"
baseline = "known.toml"
"""


def settings(folder: Path, **options: object) -> Settings:
    return Settings.read(configured(options, [folder]), contract())


def test_a_file_says_what_options_say(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(WHOLE, encoding="utf-8")
    found = settings(tmp_path)
    assert (found.start, found.providers, found.stream_limit) == ("server {port}", ("openai", "local"), 5)
    assert (found.silence, found.time_scale, found.strict) == (3, 1.5, True)
    assert found.profiles == set(DECLARABLE)
    assert {"SSE-01", "END-01"} <= found.only
    assert "END-02" not in found.only
    assert (found.report_json, found.baseline) == (tmp_path / "out/report.json", tmp_path / "known.toml")
    assert (found.allowed_origin, found.jwt_secret) == ("https://app.example", "not a real one")
    assert "not a real one" not in repr(found)


def test_options_beat_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(WHOLE, encoding="utf-8")
    found = settings(tmp_path, base_url="http://127.0.0.1:1", provider=["local"], silence=7.0, strict=False)
    assert (found.base_url, found.start, found.providers) == ("http://127.0.0.1:1", None, ("local",))
    assert (found.silence, found.strict) == (7.0, True)  # a switch that is not given says nothing


def test_pyproject_counts_where_it_has_the_table(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near, far):
        folder.mkdir()
    (near / PROJECT).write_text("[tool.other]\n", encoding="utf-8")
    (far / PROJECT).write_text('[tool.chatproof]\nbase-url = "http://127.0.0.1:2"\n', encoding="utf-8")
    found = Settings.read(configured({}, [near, far]), contract())
    assert found.base_url == "http://127.0.0.1:2"


def test_a_file_of_another_name(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('base-url = "http://127.0.0.1:3"\nreport-md = "r.md"\n', encoding="utf-8")
    found = Settings.read(configured({"config": str(path)}, []), contract())
    assert (found.base_url, found.report_md) == ("http://127.0.0.1:3", tmp_path / "r.md")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base-ulr = "http://x"', "unknown key 'base-ulr'; did you mean base-url?"),
        ("zzzzzz = 1", "unknown key 'zzzzzz'; known: base-url, start"),
        ("silence = \n", "line 1"),
        ('silence = "long"', "silence is not a number: 'long'"),
        ("silence = true", "silence is not a number: True"),
        ("stream-limit = 2.5", "stream-limit is not a whole number"),
        ("profiles = 3", "profiles is not a list of texts"),
        ('strict = "yes"', "strict is not true or false"),
        ("badge = 1", "badge is not a path"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / FILE
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ChatproofError) as caught:
        configured({}, [tmp_path])
    line = str(caught.value)
    assert str(path) in line
    assert words in line
    assert "\n" not in line


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ChatproofError, match="--config: cannot read /no/such/file: No such file"):
        configured({"config": "/no/such/file"}, [])


def test_the_key_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "of the environment")
    assert settings(tmp_path, base_url="http://127.0.0.1:1").jwt_secret == "of the environment"
    monkeypatch.delenv(SECRET_VARIABLE)
    assert settings(tmp_path, base_url="http://127.0.0.1:1").jwt_secret is None
    first, second = (settings(tmp_path, start="x").jwt_secret for _ in range(2))
    assert first
    assert first != second


def test_providers() -> None:
    read = Settings.read
    assert read({"start": "x", "provider": ["all"]}, contract()).providers == ("openai", "gemini", "local", "anthropic")
    assert read({"start": "x", "provider": ["local,gemini", "local"]}, contract()).providers == ("local", "gemini")
    assert read({"base_url": "http://x", "provider": ["gemini"]}, contract()).providers == ("gemini",)
    undeclared = read({"start": "x"}, contract())
    assert (undeclared.providers, undeclared.declares_providers) == (("openai", "gemini", "local"), False)
    assert (undeclared.profiles, undeclared.declares_profiles) == (frozenset(DECLARABLE), False)
    running = read({"base_url": "http://x"}, contract())
    assert (running.providers, running.declares_providers, running.declares_profiles) == (("openai",), True, False)
    assert Profile.AUTH not in running.profiles
    with pytest.raises(ChatproofError, match="one provider; give one, or use --start"):
        read({"base_url": "http://x", "provider": ["gemini,local"]}, contract())
    known = "openai, gemini, local, anthropic, all"
    with pytest.raises(ChatproofError, match=f"no provider 'gemnii'; did you mean gemini\\? known: {known}"):
        read({"start": "x", "provider": ["gemnii"]}, contract())


def test_the_profile_resume_is_declared_by_its_name_and_needs_an_endpoint(tmp_path: Path) -> None:
    table = tmp_path / "my-api.toml"
    table.write_text('[api]\nlike = "ai-sdk"\nresume = { path = "{path}/{conversation}/stream" }\n')
    asked = {"start": "x", "api_name": str(table)}
    for words, resumes in ((None, False), (["all"], False), (["all,resume"], True), (["resume"], True)):
        found = Settings.read({**asked, "profile": words}, contract())
        assert (found.resumes, found.abandoned_after) == (resumes, 60)
        assert found.gives_way(contract()["INT-01"]) is resumes
        assert not found.gives_way(contract()["INT-04"])
    with pytest.raises(ChatproofError, match="resume needs an endpoint to resume at, and the api ai-sdk names none"):
        Settings.read({"start": "x", "api_name": "ai-sdk", "profile": ["resume"]}, contract())


def test_every_key_is_an_option() -> None:
    parser = HelpParser()
    add_options(parser)
    known = {action.dest.removeprefix(PREFIX) for action in parser._actions} | {"strict"}  # pytest's own
    for name, option in KEYS.items():
        assert option.field in known, name


def test_names_keys_and_help_of_options() -> None:
    """Each once; the help says what it does, and its default where there is one."""
    flags = [flag for option in OPTIONS for flag in option.flags]
    assert len(set(flags)) == len(flags)
    assert len(KEYS) == sum(option.is_key for option in OPTIONS)
    fields = {one.name for one in dataclasses.fields(Settings)}
    plain = {option.field for option in OPTIONS if option.is_key and not option.is_plural}
    assert plain <= fields, plain - fields
    parser = HelpParser()
    add_options(parser)
    text = " ".join(parser.format_help().split())
    for group in GROUPS:
        assert group.title in text
    assert "--silence SECONDS give up a request when the server sends nothing for this long (default: 10)" in text
    assert not any(option.help.endswith(".") for option in OPTIONS)


def test_the_page_of_options_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m chatproof.harness.report.options_page"


def test_the_list_heeds_what_is_selected() -> None:
    options = {"list_rows": True, "only": ["LIM", "SSE-01"]}
    lines = listing(options, [])
    assert [line.split()[0] for line in lines[:-1]] == ["SSE-01", *(row.id for row in contract().group("LIM"))]
    assert lines[0].split()[1:3] == ["MUST", "core"]
    declared = listing({**options, "profile": ["core"]}, [])
    assert [line.split()[0] for line in declared[:-1]] == ["SSE-01"]
