"""CopilotKit's built-in agent tells a reply that was cut off as a run that succeeded.

It asks OpenAI's Responses API. The provider says two words and ends its stream without `response.completed`. AG-UI's
specification (https://docs.ag-ui.com/spec/1.0/events/lifecycle): `RUN_FINISHED` closes a run that did not fail; without
an outcome it means success.
"""

from plain import run
from plain_faults import ag_ui_after_a_cut
from plain_provider import Upstream


def two_words(upstream: Upstream) -> None:
    upstream.begin()
    upstream.event({"type": "response.created", "response": {"id": "r1", "created_at": 1, "model": "gpt-4o-mini"}})
    item = {"type": "message", "id": "m1", "role": "assistant", "status": "in_progress", "content": []}
    upstream.event({"type": "response.output_item.added", "output_index": 0, "item": item})
    for word in ("All", " is"):
        place = {"item_id": "m1", "output_index": 0, "content_index": 0}
        upstream.event({"type": "response.output_text.delta", **place, "delta": word})
    upstream.end()


run(two_words, ag_ui_after_a_cut("/api/copilotkit/agent/default/run"))
