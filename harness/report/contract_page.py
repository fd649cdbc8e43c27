"""Writes `docs/contract.md` from the requirements: `python -m chatproof.harness.report.contract_page`."""

from __future__ import annotations

import sys

from chatproof.harness.common.child_process import ROOT
from chatproof.harness.protocol.requirements import OWN_API, Contract, Requirement, contract

PAGE = ROOT / "docs" / "contract.md"

INTRODUCTION = """\
# The contract

What a conforming server does, row by row. This page is generated from
[`harness/protocol/requirements.toml`](../harness/protocol/requirements.toml) by
`python -m chatproof.harness.report.contract_page`. To change a row, change it there.

- A **MUST** row decides the verdict. A **SHOULD** row is reported, and fails a run only with `--strict`.
- A row marked **P** needs the fake providers behind the server (`--start`, or `--provider-url`). Without them the row
  is "not applicable", unless it says what is judged without the provider.
- A row applies to a server that declares the row's profile (`--profile`), and speaks an api that the row names
  (`--api`, [apis.md](apis.md)); a row that names none is about the API document's own.

Each row says how the suite tests it, and what servers that break it typically do. "Up to three tries" means that a
busy machine could spoil the measurement: the row is violated only if every try fails. "Odd text" is text that looks
like framing, or text in many writing systems. "The journal" is the fake provider's record of requests, write times and
closed connections. "Upstream" means in a request to the provider. A "case id" is a word in a message by which the suite
finds the provider requests for that message.

## The interface in short

What the API document says of the wire; the rows say the rest. `POST /api/chat/stream` takes
`{"message": "Hi", "session_id": "s1"}` and answers with server-sent events:

    data: {"token": " Py", "count": 1, "partial": " Py"}

    data: {"done": true, "tokens": 1, "duration": 3.5, "tokens_per_second": 0.29, "full_response": "Py",
           "user": "anonymous", "timestamp": "2025-11-20T18:15:30.123456"}     (on one line)

or, in place of the completion, `data: {"error": "text"}`. Over Socket.IO (path `/socket.io/`, namespace `/`) the event
`chat_stream` takes the same object; the events `chat_token`, `chat_complete` and `chat_stream_error` carry the same
fields.

- `POST /api/chat` takes the same object and answers `{"response": "Py"}`.
- `GET /api/chat/sessions/<id>` answers `{"session_id": "s1", "messages": 2, "timestamp": "…"}`.
- `DELETE /api/chat/sessions/<id>` answers `{"success": true, "message": "Session deleted"}`.
- Every refusal has a status of 400 or more and the body `{"error": "text"}`.
- A user's JWT is signed with HS256 and names the user in `sub`. It comes in the header `Authorization: Bearer …`; over
  Socket.IO in the handshake's `auth.token`, its headers or its query, or in the request.

A server that the suite starts finds in its environment:

- `PORT`: where to listen, on 127.0.0.1
- `OPENAI_BASE_URL` and `OPENAI_API_KEY`, for a server that asks OpenAI ([judging.md](judging.md) has others' names)
- `PROVIDER_TIMEOUT`: seconds of the provider's silence after which a reply ends in an error
- `JWT_SECRET`: the key of users' tokens
- `ALLOWED_ORIGINS`: the origins of other pages that may use the server, with commas between them
"""


def page(rows: Contract) -> str:
    parts = [INTRODUCTION]
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(f"## {group}: {rows.titles[group]}\n")
        parts += [_entry(row) for row in rows.group(group)]
    return "\n".join(parts)


def _entry(row: Requirement) -> str:
    level = f"{row.level} **P**" if row.needs_provider else row.level.value
    apis = "" if row.apis == (OWN_API,) else f" · {row.told_apis}"
    lines = [f"### {row.id}", f"{level} · {' + '.join(row.profiles)}{apis}", "", row.text, ""]
    told = (
        *(("Why", row.why), ("Tested", row.how), ("Without the provider", row.black_box)),
        *(("Not tested", row.excluded), ("Typical fault", row.typical)),
    )
    lines += [f"- *{name}:* {text}" for name, text in told if text]
    return "\n".join(lines) + "\n"


def main() -> int:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(contract()), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
