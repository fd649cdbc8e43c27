"""The `chatproof check` that judges the same server again, as a line for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from chatproof.harness.common.options import KEYS, Option, ValueKind
from chatproof.harness.common.redaction import SHELL_SECRET, redacted
from chatproof.harness.common.settings import DEFAULT_PROFILES, Settings
from chatproof.harness.protocol.requirements import Profile

_SECRET: Final = ("jwt-secret", "jwt-token", "jwt-expired")
_OTHERS: Final = ("only", "profile", "provider", "strict", "baseline")  # not repeated, or told in another way


def check_command(settings: Settings) -> str:
    """The command with all options that say what the server is and how it is judged, but for the provider. Secrets
    become `$JWT`."""
    return " ".join(["chatproof", "check", *_words(settings)])


def _words(settings: Settings) -> Iterator[str]:
    for option in KEYS.values():
        if option.name not in _OTHERS and option.kind is not ValueKind.PATH:
            yield from _given(option, settings)
    if settings.declares_profiles and (settings.start or settings.profiles != frozenset(DEFAULT_PROFILES)):
        more = [one.value for one in Profile if one in settings.profiles and one is not Profile.CORE]
        yield f"--profile {','.join(more) or Profile.CORE.value}"


def _given(option: Option, settings: Settings) -> Iterator[str]:
    value = getattr(settings, option.field if hasattr(settings, option.field) else f"{option.field}s")
    if not value or value == option.default:
        return
    if option.name in _SECRET:
        if not settings.start:  # a started server gets a key of the suite's own
            yield f'--{option.name} "{SHELL_SECRET}"'
    elif option.kind is ValueKind.SWITCH:
        yield f"--{option.name}"
    else:
        yield f"--{option.name} {shlex.quote(redacted(f'{value:g}' if isinstance(value, float) else str(value)))}"
