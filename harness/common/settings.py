"""The settings of a run, checked before anything is started."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatproof.harness.common.api_choice import ApiChoice
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import DEFAULTS, OPTIONS, PROVIDERS, USUAL_PROVIDERS, ValueKind
from chatproof.harness.common.start_command import words_of
from chatproof.harness.common.suggestions import near
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.requirements import OWN_API, Contract, Profile, Requirement
from chatproof.harness.protocol.situations.situation import PLAINLY, Situation

DECLARABLE = tuple(one for one in Profile if one is not Profile.RESUME)  # by `all`; the other one only by its name
DEFAULT_PROFILES = (Profile.CORE, Profile.SOCKETIO, Profile.LIMITS, Profile.CHAT)
OF_EVERY_API = (Profile.CORE, Profile.PERFORMANCE)  # the profiles that are not the API document's own
SECRET_VARIABLE = "CHATPROOF_JWT_SECRET"
SERVER_SECRETS = (  # the variables from which servers read the key of their tokens
    "JWT_SECRET",  # the name of the contract; Laravel's jwt-auth, samples of express-jwt and NestJS
    "JWT_SECRET_KEY",  # Flask-JWT-Extended, AuthX
    "SECRET_KEY",  # Flask, on which Flask-JWT-Extended falls back; Django with Simple JWT; FastAPI's tutorial
    "AUTH_SECRET",  # Auth.js
    "NEXTAUTH_SECRET",  # NextAuth.js
    "ACCESS_TOKEN_SECRET",  # samples of jsonwebtoken for Express
    "SUPABASE_JWT_SECRET",  # back ends that read Supabase's tokens
)
ALL = "all"


@dataclass(frozen=True, slots=True)
class Settings:
    """A run's settings. Durations in seconds; `only` holds row ids, empty for all.

    `providers`: the server is tested with each of them in turn. `jwt_secret` signs tokens (HS256); a server that the
    suite starts gets it. `stream_limit` and `chat_limit`: requests a minute from one address. `time_scale` multiplies
    the times that the server is allowed; `time_limit` is that of the whole run, or None for the usual one.
    `abandoned_after`: how long a server of the profile resume keeps a reply that nobody reads.
    `declares_profiles` and `declares_providers`: whether the user named them; if not, a server is not tested with what
    it is seen to lack. A server that runs already has one provider, as if it had been named. `contract`: the revision
    of the contract whose rows are judged, or None for the newest. `situation`: the one to try, `plain` for none, or
    None for a covering array, which `seed` begins. `api_name`: the api's name, or the file with its table.
    """

    base_url: str | None
    start: str | None
    provider_url: str | None
    profiles: frozenset[Profile]
    only: frozenset[str]
    strict: bool
    slow: bool
    report_json: Path | None
    silence: float
    start_timeout: float
    provider_timeout: float | None
    providers: tuple[str, ...]
    allowed_origin: str
    jwt_secret: str | None = field(repr=False)
    jwt_tokens: tuple[str, ...] = field(repr=False)
    jwt_expired: str | None = field(repr=False)
    stream_limit: int
    chat_limit: int
    time_scale: float
    time_limit: float | None
    report_html: Path | None
    report_md: Path | None
    badge: Path | None
    server_log: Path | None
    baseline: Path | None
    write_baseline: Path | None
    declares_profiles: bool
    declares_providers: bool
    contract: int | None
    situation: str | None
    seed: int | None
    api_name: str
    api_path: str | None
    api_model: str | None
    api: Api
    abandoned_after: float

    @classmethod
    def read(cls, options: Mapping[str, Any], contract: Contract) -> Settings:
        """Make settings from the options, given by the names of the fields.

        Raises:
            ChatproofError: an option is wrong; the text names it.
        """
        base_url, start, provider_url = (options.get(name) for name in ("base_url", "start", "provider_url"))
        if not base_url and not start and not options.get("list_rows"):
            raise ChatproofError(
                "which server? Give --base-url URL, or --start COMMAND to have it started; "
                "in a project, `chatproof init` writes the command into chatproof.toml"
            )
        if start:
            words_of(start)
        for url in filter(None, (base_url, provider_url)):
            Target.parse(url)
        numbers = [option for option in OPTIONS if option.kind in (ValueKind.NUMBER, ValueKind.COUNT)]
        for option in numbers:
            value = options.get(option.field)
            if value is not None and not value > 0:
                raise ChatproofError(f"--{option.name}: {value:g} is not above 0")
        revision = options.get("contract")
        if revision and revision > contract.revision:
            raise ChatproofError(f"--contract: there is no revision {revision}; the newest is {contract.revision}")
        situation = options.get("situation") or None
        if situation and situation != PLAINLY:
            try:
                Situation.parse(situation)
            except ValueError as problem:
                raise ChatproofError(f"--situation: {problem}") from problem
        choice = ApiChoice.of(options)
        api = choice.api
        tokens = tuple(_words(options.get("jwt_token")))
        secret = options.get("jwt_secret") or os.environ.get(SECRET_VARIABLE) or None
        plain: dict[str, Any] = {option.field: options.get(option.field) or option.default for option in numbers}
        files = [option.field for option in OPTIONS if option.kind is ValueKind.PATH and option.name != "config"]
        plain |= {name: Path(options[name]) if options.get(name) else None for name in files}
        return cls(
            base_url=base_url,
            start=start,
            provider_url=provider_url,
            api=api,
            api_name=choice.word,
            api_path=options.get("api_path") or None,
            api_model=options.get("api_model") or None,
            profiles=_profiles(options.get("profile"), bool(start), api),
            declares_profiles=bool(_words(options.get("profile"))),
            declares_providers=bool(_words(options.get("provider"))) or not start,
            only=_only(options.get("only"), contract, revision or contract.revision),
            strict=bool(options.get("strict")),
            slow=bool(options.get("slow")),
            providers=_providers(options.get("provider"), has_choice=bool(start)),
            allowed_origin=(options.get("allowed_origin") or DEFAULTS["allowed_origin"]).rstrip("/"),
            jwt_secret=secret or (secrets.token_hex(32) if start and not tokens else None),
            jwt_tokens=tokens,
            jwt_expired=options.get("jwt_expired") or None,
            situation=situation,
            **plain,
        )

    def allowed(self, seconds: float) -> float:
        """`seconds` times the time scale: how long the server may take."""
        return seconds * self.time_scale

    @property
    def has_provider(self) -> bool:
        """Whether fake providers run behind the server."""
        return bool(self.start or self.provider_url)

    @property
    def resumes(self) -> bool:
        """Whether replies go on when their client leaves, until they are stopped."""
        return Profile.RESUME in self.profiles

    def gives_way(self, row: Requirement) -> bool:
        """Whether a server with these profiles is judged by other rows in place of this one."""
        return row.unless in self.profiles

    def selects(self, row: Requirement) -> bool:
        """Whether `--contract`, `--api` and `--only` select a row."""
        is_known = row.since <= (self.contract or row.since) and row.holds_for(self.api)
        return is_known and (not self.only or row.id in self.only)

    def tries_situations(self, requirement_id: str) -> bool:
        """Whether a covering array of situations is tried whose first row this is; the first revision had none."""
        is_named = not self.only or requirement_id in self.only or bool(self.situation or self.seed)
        return is_named and self.situation != PLAINLY and (self.contract or 2) >= 2

    def selected(self, contract: Contract) -> list[str]:
        """The ids of the rows that they select."""
        return [row.id for row in contract if self.selects(row)]


def _words(values: Iterable[str] | None) -> list[str]:
    return [word for value in values or () for word in re.split(r"[,\s]+", value) if word]


def declarable_of(api: Api) -> tuple[Profile, ...]:
    """The profiles that a server of an api can declare."""
    resume = (Profile.RESUME,) if api.resume else ()
    if api.name == OWN_API:
        return (*DECLARABLE, *resume)
    return (*OF_EVERY_API, *((Profile.SOCKETIO,) if api.has_sockets else ()), *resume)


def _profiles(values: Iterable[str] | None, shows: bool, api: Api) -> frozenset[Profile]:
    words = _words(values)
    declarable = declarable_of(api)
    if Profile.RESUME in words and not api.resume:
        raise ChatproofError(
            f"--profile: resume needs an endpoint to resume at, and the api {api.name} names none (docs/resume.md)"
        )
    known = [profile.value for profile in declarable]
    if ALL in words:
        return frozenset({*declarable} & {*DECLARABLE, *words})
    for word in words:
        if word not in known:
            raise ChatproofError(f"--profile: there is no profile {word!r}; {_known(word, (*known, ALL))}")
    if not words:
        return frozenset(set(DECLARABLE if shows else DEFAULT_PROFILES) & set(declarable))
    return frozenset({Profile.CORE, *map(Profile, words)})


def _providers(values: Iterable[str] | None, has_choice: bool) -> tuple[str, ...]:
    words = list(dict.fromkeys(_words(values))) or list(USUAL_PROVIDERS if has_choice else PROVIDERS[:1])
    if ALL in words:
        words = list(PROVIDERS)
    for word in words:
        if word not in PROVIDERS:
            raise ChatproofError(f"--provider: there is no provider {word!r}; {_known(word, (*PROVIDERS, ALL))}")
    if len(words) > 1 and not has_choice:
        raise ChatproofError("--provider: a server that runs already has one provider; give one, or use --start")
    return tuple(words)


def _known(word: str, names: tuple[str, ...]) -> str:
    hint = f"did you mean {found}? " if (found := near(word, names)) else ""
    return f"{hint}known: {', '.join(names)}"


def _only(values: Iterable[str] | None, contract: Contract, revision: int) -> frozenset[str]:
    try:
        named = [row for word in _words(values) for row in contract.named(word)]
    except LookupError as error:
        raise ChatproofError(f"--only: {error}") from error
    known = frozenset(row.id for row in named if row.since <= revision)
    if named and not known:
        raise ChatproofError(f"--only: {named[0].id} came with revision {named[0].since}; --contract is {revision}")
    return known
