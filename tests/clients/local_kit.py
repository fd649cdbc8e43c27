"""What the tests of the local servers' clients ask for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fake_providers.kit import Served
from tests.fake_providers.local_kit import CALL

MODEL = "llama3.2"
EXTRA = {
    "calls": CALL,
    "unauthorized": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 401',
    "forbidden": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 403',
    "not-found": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 404',
    "error-first": 'about = "x"\n[[steps]]\nfault = "error"',
    "at-first": 'about = "x"\nsequence = ["server-error", "three-tokens"]',
}
STATUSES = {
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "rate-limited": 429,
    "server-error": 500,
    "error-first": 500,
    "overloaded": 503,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def url(served: Served) -> str:
    with httpx.Client(base_url=served.url, trust_env=False) as http:
        for name, text in EXTRA.items():
            assert http.put(f"/_fake/scripts/{name}", content=text).status_code == 200
    return served.url


def asks(name: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": f"scenario {name}"}], **more}
