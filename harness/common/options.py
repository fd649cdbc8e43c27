"""The options of the conformance suite."""

from __future__ import annotations

from typing import Any


def add_options(parser: Any, has_base_url: bool = False) -> None:
    """Add the suite's options to `parser`, which has pytest's `getgroup`. `--strict` is pytest's own.

    Args:
        has_base_url: whether another plugin defines `--base-url`.
    """
    server = parser.getgroup("chatproof", "chatproof: the server under test")
    if not has_base_url:
        server.addoption("--base-url", metavar="URL", help="where it is, e.g. http://127.0.0.1:5000")
    server.addoption(
        "--start",
        metavar="COMMAND",
        help="start it with this command and stop it at the end. {port} in it is replaced by a free port; PORT, "
        "OPENAI_BASE_URL and the contract's other variables are set, and the fake providers run behind it. Where no "
        "virtual environment is active, `python` is the interpreter that runs pytest.",
    )
    server.addoption(
        "--provider-url",
        metavar="URL",
        help="fake providers that already run and that the server calls (python -m fake_providers)",
    )
    declared = parser.getgroup("chatproof-declared", "chatproof: what the server declares")
    declared.addoption(
        "--profile",
        "--profiles",
        dest="profile",
        action="append",
        metavar="NAME",
        help="beside core: socketio, limits, chat, auth, cors, performance, all (repeatable, or comma-separated; "
        "default: socketio, limits and chat; of a server that --start starts, performance too, and auth and cors "
        "where it shows them)",
    )
    declared.addoption(
        "--provider",
        "--providers",
        dest="provider",
        action="append",
        metavar="NAME",
        help="the provider behind it: openai, gemini, local, all (repeatable, or comma-separated where --start is "
        "given; default: openai; of a server that --start starts, those that it asks when LLM_PROVIDER names them)",
    )
    declared.addoption(
        "--allowed-origin", metavar="ORIGIN", help="an origin that it allows (CORS; default: https://chat.example)"
    )
    declared.addoption(
        "--jwt-secret",
        metavar="SECRET",
        help="the key (HS256) of its tokens; better given as CHATPROOF_JWT_SECRET in the environment. A server that "
        "--start starts is given one.",
    )
    declared.addoption(
        "--jwt-token",
        "--jwt-tokens",
        dest="jwt_token",
        action="append",
        metavar="TOKEN",
        help="valid tokens of two users, where the key is not to be had (repeatable, or comma-separated)",
    )
    declared.addoption("--jwt-expired", metavar="TOKEN", help="an expired token, where the key is not to be had")
    declared.addoption(
        "--stream-limit", type=int, metavar="N", help="requests a minute to /api/chat/stream (default: 30)"
    )
    declared.addoption("--chat-limit", type=int, metavar="N", help="requests a minute to /api/chat (default: 60)")
    declared.addoption(
        "--provider-timeout",
        type=float,
        metavar="SECONDS",
        help="its PROVIDER_TIMEOUT: set for a server that --start starts (default: 10), else declared",
    )
    judged = parser.getgroup("chatproof-judged", "chatproof: what is judged, and how (--strict: SHOULD rows count too)")
    judged.addoption(
        "--config",
        metavar="FILE",
        help="read the settings from this file; otherwise from chatproof.toml or [tool.chatproof] in pyproject.toml, "
        "in the current directory or pytest's rootdir. Each option is a key there; options beat the file.",
    )
    judged.addoption(
        "--list",
        action="store_true",
        dest="list_rows",
        help="list the rows with level, profiles and text, and judge nothing (heeds --only and --profile)",
    )
    judged.addoption(
        "--only",
        action="append",
        metavar="ID",
        help="judge these rows alone, e.g. TOK-02, or a group, e.g. SSE (repeatable, or comma-separated)",
    )
    judged.addoption("--baseline", metavar="FILE", help="failures that are known, with their reasons (TOML)")
    judged.addoption(
        "--slow",
        action="store_true",
        help="also wait for SIO-09 and INT-09 where the server's ping intervals make them longer than 30 s",
    )
    judged.addoption(
        "--silence",
        type=float,
        metavar="SECONDS",
        help="how long the server may say nothing before a request is given up (default: 10)",
    )
    judged.addoption(
        "--start-timeout",
        type=float,
        metavar="SECONDS",
        help="how long the --start command may take until it listens (default: 60)",
    )
    judged.addoption(
        "--time-scale",
        type=float,
        metavar="FACTOR",
        help="stretch the times that a server is allowed by this factor, for a slow machine (default: 1)",
    )
    reports = parser.getgroup("chatproof-reports", "chatproof: reports (and pytest's --junit-xml)")
    reports.addoption("--report-json", metavar="FILE", help="the verdict of every row, for other tools")
    reports.addoption("--report-html", metavar="FILE", help="for people, with pictures, in one file")
    reports.addoption("--report-md", metavar="FILE", help="for a CI summary, in Markdown")
    reports.addoption("--badge", metavar="FILE", help="a badge (SVG)")
