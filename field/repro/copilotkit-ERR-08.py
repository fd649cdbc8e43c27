"""CopilotKit's built-in agent tells an error that comes as a JSON document with status 200 as a run that succeeded.

So some gateways answer that know too late that they fail. AG-UI's specification
(https://docs.ag-ui.com/spec/1.0/events/lifecycle): `RUN_FINISHED` closes a run that did not fail; without an outcome it
means success.
"""

from plain import run
from plain_faults import IN_A_DOCUMENT, ag_ui_after_a_cut
from plain_provider import an_error_with_status_200

run(an_error_with_status_200, ag_ui_after_a_cut("/api/copilotkit/agent/default/run", IN_A_DOCUMENT))
