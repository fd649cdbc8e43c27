"""CopilotKit's built-in agent tells its client the provider's own words about its error.

AG-UI's specification leaves open what the message of `RUN_ERROR` says.
"""

from plain import run
from plain_client import ASK_AG_UI
from plain_faults import tells_what_the_provider_said
from plain_provider import an_error_with_status_500

run(an_error_with_status_500, tells_what_the_provider_said("/api/copilotkit/agent/default/run", ASK_AG_UI))
