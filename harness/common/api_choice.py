"""Which api the server speaks: one that is built in, or one from a table of the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.options import OWN_TABLE
from chatproof.harness.common.toml_file import PROJECT, part_of_project, read_toml
from chatproof.harness.protocol.apis.api import Api
from chatproof.harness.protocol.apis.api_table import read_table
from chatproof.harness.protocol.apis.known_apis import KNOWN_APIS
from chatproof.harness.protocol.apis.table_keys import TableError
from chatproof.harness.protocol.requirements import OWN_API


@dataclass(frozen=True, slots=True)
class ApiChoice:
    """An api, and how `--api` names it: by its name, or by the file that has its table."""

    word: str
    api: Api

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Make the choice that the options `api_name`, `api_path` and `api_model` are; `api_table` is an ApiChoice from
        the configuration file.

        Raises:
            ChatproofError: there is no such api, or its table is wrong; one line.
        """
        word, table = options.get("api_name"), options.get("api_table")
        if isinstance(table, cls) and word in (None, OWN_TABLE):
            found = table
        elif word == OWN_TABLE:
            raise ChatproofError("--api: no configuration file has a table [api]; write --api NAME, or --api FILE")
        else:
            found = cls._named(word or OWN_API)
        return replace(found, api=_changed(found.api, options))

    @classmethod
    def _named(cls, word: str) -> Self:
        if (api := KNOWN_APIS.get(word)) is not None:
            return cls(word, api)
        path = Path(word)
        if path.suffix == ".toml" or os.sep in word or path.is_file():
            return cls.in_file(path)
        near = get_close_matches(word, KNOWN_APIS, n=1)
        known = f"known: {', '.join(KNOWN_APIS)}, or a file such as my-api.toml with a table of your own"
        raise ChatproofError(f"--api: there is no api {word!r}; {f'did you mean {near[0]}?' if near else known}")

    @classmethod
    def in_file(cls, path: Path) -> Self:
        """That of a file's table `[api]`. Raises ChatproofError."""
        document = read_toml(path, "--api")
        if path.name == PROJECT:
            document = part_of_project(document)
        if "api" not in document:
            own = "[tool.chatproof.api]" if path.name == PROJECT else "[api]"
            near = get_close_matches("api", document, n=1)
            hint = f"is it the one called {near[0]!r}?" if near else "docs/apis.md shows one"
            raise ChatproofError(f"{path}: there is no table {own}; {hint}")
        return cls.in_table(document["api"], path)

    @classmethod
    def in_table(cls, table: Any, path: Path) -> Self:
        """That of a table which a file holds. Raises ChatproofError."""
        if not isinstance(table, dict):
            raise ChatproofError(f"{path}: api is not a table: {table!r}")
        try:
            return cls(str(path), read_table(table))
        except TableError as problem:
            raise ChatproofError(f"{path}: {problem}") from problem


def _changed(api: Api, options: Mapping[str, Any]) -> Api:
    """The api with what `--api-path` and `--api-model` say."""
    path, model = options.get("api_path"), options.get("api_model")
    if path and not path.startswith("/"):
        raise ChatproofError(f"--api-path: {path!r} does not begin with a slash")
    if path and api.name == OWN_API:
        raise ChatproofError(f"--api-path: the api {api.name} has no path to choose")
    if model and not getattr(api, "model", ""):
        raise ChatproofError(f"--api-model: the api {api.name} has no model to choose")
    given = {name: value for name, value in (("path", path), ("model", model)) if value}
    return replace(api, **given)  # type: ignore[type-var]
