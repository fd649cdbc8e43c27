"""Scripts that the tests of Gemini's clients play, and how each error looks to a client."""

from __future__ import annotations

import httpx

MODEL = "gemini-2.5-flash"
EXTRA = {
    "tool": 'about = "x"\n[[steps]]\ntool_call = "get_weather"\narguments = { city = "Paris", days = 2 }',
    "blocked-prompt": 'about = "x"\nblocked = "SAFETY"',
    "unsafe": 'about = "x"\nfinish_reason = "content_filter"\n[[steps]]\ntokens = ["Well"]',
    "forbidden": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 403',
    "not-found": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 404',
    "deadline": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 504',
    "html": 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 502\nbody = "html"',
    "at-first": 'about = "x"\nsequence = ["server-error", "three-tokens"]',
}
STATUSES = {
    "bad-key": (400, "INVALID_ARGUMENT"),
    "forbidden": (403, "PERMISSION_DENIED"),
    "not-found": (404, "NOT_FOUND"),
    "rate-limited": (429, "RESOURCE_EXHAUSTED"),
    "server-error": (500, "INTERNAL"),
    "overloaded": (503, "UNAVAILABLE"),
    "deadline": (504, "DEADLINE_EXCEEDED"),
    "html": (502, "Bad Gateway"),
}


def add_scripts(url: str) -> str:
    """Give running fakes the scripts; the URL again."""
    with httpx.Client(base_url=url, trust_env=False) as http:
        for name, text in EXTRA.items():
            assert http.put(f"/_fake/scripts/{name}", content=text).status_code == 200
    return url
