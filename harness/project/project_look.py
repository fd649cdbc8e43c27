"""What kind of project a folder holds, how its server is started, and what it seems to offer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chatproof.harness.common.options import PROVIDERS
from chatproof.harness.project.known_packages import (
    ANY_PROVIDER,
    PROFILE_SIGNS,
    PROFILES_OF,
    PROVIDERS_OF,
    TELL_IT,
    VARIABLES,
    those_of,
)
from chatproof.harness.project.project_folder import Guess, ProjectFolder
from chatproof.harness.protocol.requirements import OWN_API

AI_SDK: Final = r"(?:to|pipe|create)UIMessageStream(?:Response|ToResponse)?\b"
AG_UI: Final = r"@ag-ui/|\bag_ui\b|RUN_STARTED"
STREAM_PATH: Final = r"/api/chat/stream\b"
COMPLETIONS: Final = (
    r"""(?:post|all|route|POST|Post|HandleFunc|Handle)\(\s*["'`](?:POST )?(/(?:[\w-]+/)*chat/completions)["'`]"""
)
_ROUTE: Final = re.compile(r"""(?:\.post|\.Post|\.POST|\.all|@Post|HandleFunc)\(\s*["'`](?:POST )?(/[\w/.-]*)["'`]""")
_FOLDER_ROUTE: Final = re.compile(
    r"(?:^|/)(?:app|pages|routes|server)/(?:\([^/]+\)/)*(api/.+?)(?:/route|/index|/\+server|\.post)?\.[jt]sx?$"
)


@dataclass(slots=True)
class ProjectLook:
    """A project, as far as its files show it.

    `kind`: node, python, go or docker. `packages`: what it depends on, each with where that stands. `start`: the
    command, or None where nothing says it. `port`: the only port that the server can listen on, where it reads none
    from outside. `setup`: lines for a shell that install the project in a fresh checkout. `tools`: steps of a workflow
    on GitHub that come before them. `notes`: what a person should know.
    """

    kind: str
    manifest: str
    packages: Mapping[str, str]
    start: Guess | None
    setup: list[str]
    tools: list[str]
    framework: str = ""
    port: Guess | None = None
    reads_port: Guess | None = None
    api: Guess | None = None
    api_path: Guess | None = None
    providers: dict[str, Guess] = field(default_factory=dict)
    profiles: dict[str, Guess] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """How much speaks for it, where a folder holds several kinds of project."""
        return 4 * bool(self.providers) + 2 * bool(self.start) + bool(self.framework)


Look = Callable[[ProjectFolder], ProjectLook | None]


def look_at(project: ProjectFolder, looks: Mapping[str, Look]) -> ProjectLook | None:
    """The project that a folder most likely holds; None where it holds none that is known here."""
    found = [look for one in looks.values() if (look := one(project))]
    for look in found:
        _add_providers(look, project)
    if not found:
        return None
    best = max(found, key=lambda look: look.weight)  # of equals the first
    others = [look.manifest for look in found if look is not best and look.kind != "docker"]
    best.notes += [f"{manifest} is there too, and was left out" for manifest in others]
    _add_api(best, project)
    _add_profiles(best, project)
    return best


def _add_providers(look: ProjectLook, project: ProjectFolder) -> None:
    """The providers whose clients it depends on; without any, those that its source names."""
    for provider, package in those_of(PROVIDERS_OF, look.packages).items():
        look.providers[provider] = Guess(provider, f"{look.packages[package]}: {package}")
        if package in TELL_IT:
            look.notes.append(f"{package} does not read the address that the suite sets; in code: {TELL_IT[package]}")
    if not look.providers:
        for provider, pattern in VARIABLES.items():
            if found := project.find(pattern):
                look.providers[provider] = Guess(provider, f"{found[1]} has {found[0][0]}")
    if many := [name for name in ANY_PROVIDER if name in look.packages and not look.providers]:
        look.notes.append(f"{many[0]} can call any provider; name those that you use in `providers`")
    for name in [name for name in look.providers if name not in PROVIDERS]:
        del look.providers[name]
        look.notes.append(f"{name} has no fake here: rows that need it cannot be judged")


def _add_api(look: ProjectLook, project: ProjectFolder) -> None:
    """What it speaks, and where."""
    if found := project.find(STREAM_PATH):
        look.api = Guess(OWN_API, f"{found[1]} has {found[0][0]}")
    elif found := project.find(AI_SDK):
        look.api, look.api_path = (
            Guess("ai-sdk", f"{found[1]} has {found[0][0]}"),
            _path(found[1], project, "/api/chat"),
        )
    elif found := project.find(AG_UI):
        look.api, look.api_path = Guess("ag-ui", f"{found[1]} has {found[0][0]}"), _path(found[1], project, "/")
    elif found := project.find(COMPLETIONS):
        look.api = Guess("openai-chat", f"{found[1]} has {found[0][1]}")
        if found[0][1] != "/v1/chat/completions":
            look.api_path = Guess(found[0][1], found[1])
    else:
        stream = project.find(r"text/event-stream|application/x-ndjson")
        where = f" ({stream[1]} writes a stream)" if stream else ""
        look.notes.append(
            f"no api that chatproof knows was found{where}: chat-stream is assumed, at POST /api/chat/stream. "
            "If yours differs, describe it: chatproof api --help"
        )


def _path(where: str, project: ProjectFolder, usual: str) -> Guess | None:
    """The path of the one route in a file, where it is not the api's usual one."""
    name = where.rpartition(":")[0]
    if folder := _FOLDER_ROUTE.search(name):
        path = "/" + re.sub(r"\([^/]*\)/", "", folder[1])
        return None if path == usual or "[" in path else Guess(path, name)
    routes = set(_ROUTE.findall(project.sources[name]))
    if len(routes) == 1 and (path := routes.pop()) != usual:
        return Guess(path, name)
    return None


def _add_profiles(look: ProjectLook, project: ProjectFolder) -> None:
    """What it offers beside the stream. Every other api than the document's own has fewer profiles."""
    own = look.api is None or look.api.value == OWN_API
    for profile, package in those_of(PROFILES_OF, look.packages).items():
        if own:
            look.profiles[profile] = Guess(profile, f"{look.packages[package]}: {package}")
    for profile, pattern in PROFILE_SIGNS.items() if own else ():
        if profile not in look.profiles and (found := project.find(pattern)):
            look.profiles[profile] = Guess(profile, f"{found[1]} has {found[0][0]}")
