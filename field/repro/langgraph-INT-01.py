"""LangGraph behind ag-ui-langgraph reads on after its client has gone.

The provider says a word every 100 ms. The client closes its connection after the first one. Nothing can be had of this
run any more: it has no endpoint to come back to.
"""

from plain import run
from plain_client import ASK_AG_UI, leave
from plain_provider import SERVER_LEFT, words_without_end


def look(url: str) -> tuple[bool, str]:
    if not leave(f"{url}/agent", ASK_AG_UI, after="word "):
        raise ValueError("no word came")
    left = SERVER_LEFT.wait(5)
    return not left, f"the client left; 5 s later the connection to the provider was {'closed' if left else 'open'}"


run(words_without_end, look)
