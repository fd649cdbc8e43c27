"""The text of a project's chatproof.toml, with what was guessed and from what in its comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chatproof.harness.common.options import PROVIDERS
from chatproof.harness.common.settings import declarable_of
from chatproof.harness.project.project_folder import Guess
from chatproof.harness.project.project_look import ProjectLook
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS
from chatproof.harness.protocol.apis.proposed_table import written
from chatproof.harness.protocol.requirements import OWN_API, Profile

NARROW = "chatproof check --only SSE"


def config_text(look: ProjectLook, start: Guess) -> str:
    """The file. Every key that is not needed stands in a comment, with what it would do.

    Args:
        start: the command that starts the server.
    """
    return "\n\n".join("\n".join(part) for part in (_head(), _server(look, start), _speaks(look), _rest(look))) + "\n"


def _head() -> Iterator[str]:
    yield "# Settings of `chatproof check`, which judges this project's chat server. `chatproof init` wrote them: the"
    yield "# comments say what it guessed from what. `chatproof check --help` lists all options; each is a key, too."


def _server(look: ProjectLook, start: Guess) -> Iterator[str]:
    yield f"# The command that starts the server, without a shell. Guessed: {_plain(start.source)}."
    yield "# {port} becomes a free port, which PORT holds as well. The provider's address comes in OPENAI_BASE_URL,"
    yield "# GOOGLE_GEMINI_BASE_URL, LOCAL_LLM_URL and their like; fake providers answer there, so no key is needed."
    yield f"start = {written(start.value)}"
    if look.port:
        yield f"# {_plain(look.port.source)} names this port and PORT is not read, so it must be free."
        yield f'base-url = "http://127.0.0.1:{look.port.value}"'


def _speaks(look: ProjectLook) -> Iterator[str]:
    api = look.api or Guess(OWN_API, "no other api was found")
    others = ", ".join(name for name in KNOWN_APIS if name != api.value)
    yield f"# What the server speaks. Guessed: {_plain(api.source)}. Others: {others},"
    yield "# or a table of your own (`chatproof api --help`)."
    yield f'api = "{api.value}"'
    if look.api_path:
        yield f"# Where it is asked. Guessed: {_plain(look.api_path.source)}."
        yield f"api-path = {written(look.api_path.value)}"
    yield ""
    yield f"# The providers that the server calls, of {', '.join(PROVIDERS)}. It is judged with each of them."
    yield from _sources(look.providers.values())
    providers = list(look.providers)[:1] if look.port else list(look.providers)  # one port serves one server
    if providers:
        yield f"providers = {written(providers)}"
    else:
        yield '# providers = ["openai"]   # without this, the suite looks which of them the server calls'


def _rest(look: ProjectLook) -> Iterator[str]:
    known = declarable_of(KNOWN_APIS[look.api.value if look.api else OWN_API])
    names = [one.value for one in known if one is not Profile.CORE and one is not Profile.RESUME]
    yield f"# What the server offers beside the stream, of {', '.join(names)}."
    yield "# What stands here must work; what is left out is not judged."
    yield from _sources(look.profiles.values())
    found = [name for name in names if name in look.profiles or name == Profile.PERFORMANCE]
    yield f"profiles = {written(found)}"
    if Profile.LIMITS in look.profiles:
        yield "# stream-limit = 30   # requests a minute that one address may send to /api/chat/stream"
        yield "# chat-limit = 60     # and to /api/chat"
    yield ""
    yield "# Failures that you know and accept for now, each with a reason. Begin with:"
    yield "# chatproof check --write-baseline known-failures.toml"
    yield '# baseline = "known-failures.toml"'
    yield ""
    yield f"# While you mend something, judge a part only: {NARROW}"
    yield '# only = ["SSE", "TOK", "ERR"]'
    yield "# strict = true       # SHOULD rows can fail the run, too"
    yield "# time-scale = 2      # twice the time for everything, on a slow machine"


def _sources(guesses: Iterable[Guess]) -> Iterator[str]:
    for one in guesses:
        yield f"# {one.value}: {_plain(one.source)}"


def _plain(text: str) -> str:
    """A text for a comment: file names may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
