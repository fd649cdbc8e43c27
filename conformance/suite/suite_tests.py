"""One test of the suite as plain data: what it judges, with which arguments, and when it may run."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

import chatproof.conformance
from chatproof.conformance.suite.marks import TestBody, When
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import OWN_API, Contract, Profile
from chatproof.harness.protocol.transcript import Transport

BEHIND = "behind"  # the fixture that says which provider is behind the server
ORDER = list(When)


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """A test with one set of arguments.

    `name` is unique, as pytest's node id. `ids`: the rows that it judges. `provider`: the provider that it needs
    behind the server, or None where it runs once, whatever the provider. `of_array` and
    `of_document`: see `requirement`.
    """

    name: str
    ids: tuple[str, ...]
    body: TestBody
    when: When
    parameters: Mapping[str, Any] = field(default_factory=dict)
    provider: str | None = None
    of_array: bool = False
    of_document: bool = False

    @property
    def transport(self) -> Transport:
        """The transport that its argument names, else SSE."""
        transport = self.parameters.get("transport", Transport.SSE)
        assert isinstance(transport, Transport)
        return transport

    def uses_sockets(self, contract: Contract) -> bool:
        if self.transport is not Transport.SSE:
            return True
        return any(Profile.SOCKETIO in contract[name].profiles for name in self.ids)

    def is_wanted(self, settings: Settings, contract: Contract) -> bool:
        """Whether a run with these settings needs it.

        A test asks in the ways of all its rows, so it is left out where the server lacks the profile of one of them.
        """
        if self.of_array and not (
            settings.tries_situations(self.ids[0]) and contract[self.ids[0]].holds_for(settings.api)
        ):
            return False
        if self.of_document and settings.api.name != OWN_API:
            return False
        if not any(settings.selects(contract[name]) for name in self.ids):
            return False
        if self.transport is not Transport.SSE and Profile.SOCKETIO not in settings.profiles:
            return False
        rows = [contract[name] for name in self.ids]
        if any(map(settings.gives_way, rows)):
            return False
        if not all(set(row.profiles) <= settings.profiles for row in rows):
            return False
        return any(settings.has_provider or row.is_black_box for row in rows)


def in_order(tests: Sequence[SuiteTest]) -> list[SuiteTest]:
    return sorted(tests, key=lambda test: ORDER.index(test.when))


def providers_of(ids: Sequence[str], settings: Settings, contract: Contract) -> Sequence[str]:
    """The providers that a test of these rows runs with, one after the other; empty if it runs once."""
    is_needed = any(name in contract and contract[name].is_judged_with_each for name in ids)
    return settings.providers if is_needed and len(settings.providers) > 1 else ()


def from_item(item: pytest.Item) -> SuiteTest | None:
    """The test of a pytest item, or None where the item is no test of the suite."""
    function = getattr(item, "obj", None)
    if (body := getattr(function, "chatproof_body", None)) is None:
        return None
    when, of_array = getattr(function, "chatproof_when", When.IN_TURN), getattr(function, "chatproof_of_array", False)
    callspec = getattr(item, "callspec", None)
    parameters = dict(callspec.params) if callspec else {}
    provider = parameters.pop(BEHIND, None)
    ids = tuple(name for marker in item.iter_markers("requirement") for name in marker.args)
    of_document = getattr(function, "chatproof_of_document", False)
    return SuiteTest(item.nodeid, ids, body, when, parameters, provider, of_array, of_document)


def all_tests(settings: Settings, contract: Contract) -> list[SuiteTest]:
    """Every test of the suite with every set of arguments, found without pytest."""
    found: list[SuiteTest] = []
    for module in pkgutil.iter_modules(chatproof.conformance.__path__, "chatproof.conformance."):
        if module.name.rpartition(".")[2].startswith("test_"):
            for name, function in vars(importlib.import_module(module.name)).items():
                if body := getattr(function, "chatproof_body", None):
                    found += _variants(f"{module.name}::{name}", function, body, settings, contract)
    return found


def _variants(name: str, function: Any, body: TestBody, settings: Settings, contract: Contract) -> Iterator[SuiteTest]:
    marks: list[pytest.Mark] = function.pytestmark
    ids = tuple(one for mark in marks if mark.name == "requirement" for one in mark.args)
    axes = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks if mark.name == "parametrize"]
    for provider in providers_of(ids, settings, contract) or (None,):
        for values in product(*axes):
            words = [str(value) for _, value in values] + ([provider] if provider else [])
            full = f"{name}[{'-'.join(words)}]" if words else name
            of = function.chatproof_of_array, function.chatproof_of_document
            yield SuiteTest(full, ids, body, function.chatproof_when, dict(values), provider, *of)
