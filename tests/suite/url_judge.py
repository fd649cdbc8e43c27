"""One process that runs the suite against one URL after the other, so that its memory can be watched from outside:
`python -m tests.suite.url_judge`, asked by `LineProcess`.

    {"base_url": "http://127.0.0.1:40001", "silence": 4.0}  ->  {"code": 1, "text": "... is not a chat server", ...}

`output` holds what a terminal would show, and all that was written to standard error.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stderr
from typing import Any

from tests.servers.line_process import answer_lines, run
from tests.suite.running import judged_here


async def answer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Run the suite with these options, given by the names of the fields of Settings."""
    with redirect_stderr(io.StringIO()) as errors:
        judged = await judged_here(**options)
    return {"code": judged.code, "text": judged.text, "output": judged.output + errors.getvalue()}


async def main() -> None:
    """Answer until standard input ends."""
    await answer_lines(answer)


if __name__ == "__main__":
    run(main)
