"""What all tests share."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """httpx loads the certificates of all authorities for each new client, which takes 30 ms of CPU time, although
    nearly all servers of the tests speak plain HTTP. Clients that name the same file share one context."""
    create, made = ssl.create_default_context, dict[str, ssl.SSLContext]()

    def create_once(*arguments: Any, **named: Any) -> ssl.SSLContext:
        if arguments or list(named) != ["cafile"] or not isinstance(named["cafile"], str):
            return create(*arguments, **named)
        path = named["cafile"]
        if path not in made:
            made[path] = create(cafile=path)
        return made[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create_once)
        yield
