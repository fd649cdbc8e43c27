"""LangGraph behind ag-ui-langgraph loses the text that comes together with the finish reason.

The provider says "All" and " is", the latter in the chunk that also holds its finish reason, as some providers do. The
adapter reads nothing of a chunk that has a finish reason but its usage.
"""

from plain import run
from plain_client import ASK_AG_UI, ask
from plain_provider import Upstream


def text_with_finish(upstream: Upstream) -> None:
    upstream.begin()
    upstream.word("All")
    upstream.word(" is", "stop")
    upstream.event("[DONE]")
    upstream.end()


def look(url: str) -> tuple[bool, str]:
    answer = ask(f"{url}/agent", ASK_AG_UI)
    if answer.kinds[-1:] != ["RUN_FINISHED"]:
        raise ValueError(f"the run did not finish: {answer.kinds[-3:]} {answer.broke}")
    deltas = [str(one["delta"]) for one in answer.events if one.get("type") == "TEXT_MESSAGE_CONTENT"]
    return "".join(deltas) == "All", f"the provider said 'All is'; the client got {''.join(deltas)!r}"


run(text_with_finish, look)
