"""LangGraph behind ag-ui-langgraph tells a reply that was cut off as a run that succeeded.

The provider says two words and ends its stream without a finish reason and without `[DONE]`. AG-UI's specification
(https://docs.ag-ui.com/spec/1.0/events/lifecycle): `RUN_FINISHED` closes a run that did not fail; without an outcome it
means success.
"""

from plain import run
from plain_faults import ag_ui_after_a_cut
from plain_provider import two_words_then_the_end

run(two_words_then_the_end, ag_ui_after_a_cut("/agent"))
