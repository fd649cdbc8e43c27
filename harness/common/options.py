"""The options of the suite, in one table: parser, configuration keys, defaults and docs/options.md come from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

PREFIX: Final = "chatproof_"  # of the options' names among all that pytest has read: a user's may be the same
PROVIDERS: Final = ("openai", "gemini", "local", "anthropic")
USUAL_PROVIDERS: Final = PROVIDERS[:3]
"""Those that are tried where nobody declares any: each costs a start of the server, and each row once more."""
OWN_TABLE: Final = "[api]"  # stands for `--api` without a name: the configuration file's table


class ValueKind(StrEnum):
    """What a value must be, in the words of an error message."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    PATH = "a path"
    NUMBER = "a number"
    COUNT = "a whole number"
    SWITCH = "true or false"


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `--name` on the command line, and a key of the configuration file.

    `default_text`: the default in words, where `default` does not say it. `is_plural`: `--names` works too, and is the
    key. `is_key`: whether it is a key. `is_ours`: whether the parser gets it from here; pytest has it otherwise.
    `alone`: what it stands for where it has no value; empty: it needs one.
    """

    name: str
    kind: ValueKind
    help: str
    metavar: str = ""
    default: Any = None
    default_text: str = ""
    dest: str = ""
    is_plural: bool = False
    is_key: bool = True
    is_ours: bool = True
    alone: str = ""

    @property
    def field(self) -> str:
        """Its name in `Settings`."""
        return self.dest or self.name.replace("-", "_")

    @property
    def key(self) -> str:
        """Its name in the configuration file."""
        return f"{self.name}s" if self.is_plural else self.name

    @property
    def flags(self) -> tuple[str, ...]:
        """How it is written on the command line."""
        return (f"--{self.name}", f"--{self.name}s") if self.is_plural else (f"--{self.name}",)

    @property
    def shown_default(self) -> str:
        """Its default in words; empty where it has none to tell."""
        if self.default_text or self.default is None:
            return self.default_text
        return f"{self.default:g}" if isinstance(self.default, int | float) else str(self.default)

    @property
    def text(self) -> str:
        """What it does, and its default."""
        return f"{self.help} (default: {self.shown_default})" if self.shown_default else self.help


@dataclass(frozen=True, slots=True)
class Group:
    """Options that belong together, under a title."""

    name: str
    title: str
    options: tuple[Option, ...]


TEXT, TEXTS, PATH, NUMBER, COUNT, SWITCH = ValueKind
_SERVER: Final = (
    Option("base-url", TEXT, "the URL of a server that runs already, e.g. http://127.0.0.1:5000", "URL"),
    Option(
        "start",
        TEXT,
        "start the server with this command, without a shell, and stop it at the end. {port} is replaced by a "
        "free port. The server gets PORT, OPENAI_BASE_URL and the contract's other variables, and fake "
        "providers run behind it. `python` is the interpreter that runs the suite, unless a virtual "
        "environment is active",
        "COMMAND",
    ),
    Option(
        "provider-url",
        TEXT,
        "the URL of fake providers that run already and that the server calls (chatproof providers)",
        "URL",
    ),
)
_DECLARED: Final = (
    Option(
        "api",
        TEXT,
        "what the server speaks: chat-stream, openai-chat, ai-sdk, ag-ui, or the TOML file whose table [api] describes "
        "an api of your own (docs/apis.md). Without a name: the table of the configuration file",
        "NAME/FILE",
        "chat-stream",
        default_text="the table [api] of the configuration file; else chat-stream, that of the API document",
        dest="api_name",
        alone=OWN_TABLE,
    ),
    Option(
        "api-path",
        TEXT,
        "where streams are asked, if not at the api's usual path",
        "PATH",
        default_text="the api's own, such as /v1/chat/completions",
    ),
    Option("api-model", TEXT, "the model to ask for, of an api that names one", "NAME", default_text="gpt-4o-mini"),
    Option(
        "profile",
        TEXTS,
        "test this profile beside core: socketio, limits, chat, auth, cors, performance, resume, or all (which leaves "
        "out resume). Repeatable, or comma-separated",
        "NAME",
        default_text="socketio, limits, chat; with --start also performance, and auth and cors if detected",
        is_plural=True,
    ),
    Option(
        "provider",
        TEXTS,
        "the provider behind the server: openai, gemini, local, anthropic or all. Repeatable, or comma-separated, with "
        "--start",
        "NAME",
        default_text="openai; with --start each of openai, gemini and local that the server is seen to call",
        is_plural=True,
    ),
    Option("allowed-origin", TEXT, "an origin that the server allows (CORS)", "ORIGIN", "https://chat.example"),
    Option(
        "jwt-secret",
        TEXT,
        "the HS256 key of the server's tokens. Better: set CHATPROOF_JWT_SECRET in the environment",
        "SECRET",
        default_text="none; with --start a random key, which the server gets as JWT_SECRET, JWT_SECRET_KEY and others",
    ),
    Option(
        "jwt-token",
        TEXTS,
        "valid tokens of two users, if the key cannot be given. Repeatable, or comma-separated",
        "TOKEN",
        is_plural=True,
    ),
    Option("jwt-expired", TEXT, "an expired token, if the key cannot be given", "TOKEN"),
    Option("stream-limit", COUNT, "requests a minute that /api/chat/stream allows one address", "N", 30),
    Option("chat-limit", COUNT, "requests a minute that /api/chat allows one address", "N", 60),
    Option(
        "provider-timeout",
        NUMBER,
        "the server's PROVIDER_TIMEOUT: a reply fails when the provider is silent for this long",
        "SECONDS",
        default_text="not known; with --start 10, which the server gets",
    ),
    Option(
        "abandoned-after",
        NUMBER,
        "a server of the profile resume cancels a reply that nobody has read for this long, if it is not over by then",
        "SECONDS",
        60.0,
    ),
)
_JUDGED: Final = (
    Option(
        "config",
        PATH,
        "read the settings from this file. Options override it",
        "FILE",
        default_text="chatproof.toml, or [tool.chatproof] in pyproject.toml, in the current directory or "
        "pytest's rootdir",
        is_key=False,
    ),
    Option(
        "list",
        SWITCH,
        "list the rows with their levels and profiles, and test nothing. Respects --only and --profile",
        dest="list_rows",
        is_key=False,
    ),
    Option(
        "only",
        TEXTS,
        "test only this row, e.g. TOK-02, or this group, e.g. SSE. Repeatable, or comma-separated",
        "ID",
        default_text="all rows",
    ),
    Option(
        "contract",
        COUNT,
        "judge the rows of this revision of the contract, and plainly; a later revision adds rows",
        "N",
        default_text="the newest",
    ),
    Option(
        "situation",
        TEXT,
        "try this situation only, in place of many: `place=second, wire=crlf`, or `plain` for none but plain asks",
        "VALUES",
        default_text="a covering array of situations",
    ),
    Option(
        "seed",
        COUNT,
        "begin the covering array of situations with this number",
        "N",
        default_text="the contract's revision",
    ),
    Option("strict", SWITCH, "SHOULD rows can fail the run too", default_text="only MUST rows", is_ours=False),
    Option("baseline", PATH, "accept the known failures in this file, which gives their reasons (TOML)", "FILE"),
    Option(
        "write-baseline",
        PATH,
        "write this run's failures into this file, each with a place for the reason. If the file exists, it is the "
        "baseline: its entries stay, but for those that now pass",
        "FILE",
        is_key=False,
    ),
    Option("slow", SWITCH, "also run SIO-09 and INT-09 where the server's ping interval makes them longer than 30 s"),
    Option("silence", NUMBER, "give up a request when the server sends nothing for this long", "SECONDS", 10.0),
    Option("start-timeout", NUMBER, "how long the --start command may take until it listens", "SECONDS", 60.0),
    Option(
        "time-limit",
        NUMBER,
        "end the run after this long; rows that were not judged by then are not testable",
        "SECONDS",
        default_text="900; 3600 with --slow, or where the suite has one source address only",
    ),
    Option(
        "time-scale",
        NUMBER,
        "multiply the times that the server is allowed by this factor, for a slow machine",
        "FACTOR",
        1.0,
    ),
)
_REPORTS: Final = (
    Option("report-json", PATH, "write the verdict of every row, for other tools", "FILE"),
    Option("report-html", PATH, "write one page for people, with pictures of the exchanges", "FILE"),
    Option("report-md", PATH, "write a summary for CI, in Markdown", "FILE"),
    Option("badge", PATH, "write a badge (SVG)", "FILE"),
    Option(
        "server-log",
        PATH,
        "write what the --start server printed: the first 64 KB and the last 256 KB, without secrets. A server "
        "of a further provider, or of a worker of -n, has a file of its own beside it",
        "FILE",
    ),
)
GROUPS: Final = (
    Group("chatproof", "the server under test", _SERVER),
    Group("chatproof-declared", "what the server declares", _DECLARED),
    Group("chatproof-judged", "what is tested, and how", _JUDGED),
    Group("chatproof-reports", "reports (pytest's own: --junit-xml FILE)", _REPORTS),
)
OPTIONS: Final = tuple(option for group in GROUPS for option in group.options)
KEYS: Final[Mapping[str, Option]] = MappingProxyType({option.key: option for option in OPTIONS if option.is_key})
"""The options by their keys in the configuration file."""
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType({option.field: option.default for option in OPTIONS})
"""Each option's default, by its name in `Settings`; None where it has none."""


def add_options(parser: Any, taken: Collection[str] = ()) -> None:
    """Add the suite's options to `parser`, which has pytest's `getgroup`. Their defaults come later, from the settings.

    Args:
        taken: names of options that are left out, since somebody else has defined them.
    """
    for group in GROUPS:
        added = parser.getgroup(group.name, f"chatproof: {group.title}")
        for option in group.options:
            if option.is_ours and option.name not in taken:
                added.addoption(*option.flags, dest=PREFIX + option.field, help=option.text, **_how(option))


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The suite's options, by their names in `Settings`, from all that pytest has read (`vars(config.option)`)."""
    names = {one.field: PREFIX + one.field if one.is_ours else one.field for one in OPTIONS}
    found = {field: values.get(name) for field, name in names.items()}
    if names["base_url"] not in values:  # pytest-base-url defines it
        found["base_url"] = values.get("base_url")
    return found


def _how(option: Option) -> dict[str, Any]:
    if option.kind is SWITCH:
        return {"action": "store_true"}
    how: dict[str, Any] = {"metavar": option.metavar}
    if option.alone:
        how |= {"nargs": "?", "const": option.alone}
    if option.kind is TEXTS:
        how["action"] = "append"
    elif option.kind in (NUMBER, COUNT):
        how["type"] = int if option.kind is COUNT else float
    return how
