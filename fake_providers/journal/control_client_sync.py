"""The client of the control API for tests without an event loop."""

from __future__ import annotations

from typing import Any, Final, Self

import httpx

from chatproof.fake_providers.journal.assertions import Assertions, blocking
from chatproof.fake_providers.journal.control_client import TIMEOUT, Fakes, Waiting, answer_of, no_answer


class FakesSync(Waiting, Assertions):
    """`Fakes` for tests without an event loop. For any number of threads; close it with `close` or `with`."""

    def __init__(self, url: str) -> None:
        self.url: Final = url.rstrip("/")
        self._client = httpx.Client(**_options(self.url, connections=100))
        self._listener = httpx.Client(**_options(self.url, connections=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()
        self._listener.close()

    health = blocking(Fakes.health)
    entries = blocking(Fakes.entries)
    register = blocking(Fakes.register)
    wire = blocking(Fakes.wire)
    scripts = blocking(Fakes.scripts)
    key_numbers = blocking(Fakes.key_numbers)
    refuse_connections = blocking(Fakes.refuse_connections)
    accept_connections = blocking(Fakes.accept_connections)
    clear = blocking(Fakes.clear)

    async def _ask(
        self, method: str, path: str, *, client: httpx.Client | None = None, **options: Any
    ) -> dict[str, Any]:
        try:
            try:
                response = (client or self._client).request(method, path, **options)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                response = self._listener.request(method, path, **options)
        except httpx.HTTPError as problem:
            raise no_answer(self.url, method, path, str(problem) or type(problem).__name__) from problem
        return answer_of(self.url, method, path, response.status_code, response.content)


def _options(url: str, connections: int) -> dict[str, Any]:
    limits = httpx.Limits(max_connections=connections, keepalive_expiry=None)
    # no TLS ever: to load the certificates of all authorities would take most of the time of a new client
    return {"base_url": url, "trust_env": False, "verify": False, "timeout": TIMEOUT, "limits": limits}
