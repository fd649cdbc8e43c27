"""CopilotKit's built-in agent tells its client the provider's own words about its error.

AG-UI's specification leaves open what the message of `RUN_ERROR` says.
"""

from plain import ASK_AG_UI, an_error_with_status_500, run, tells_what_the_provider_said

run(an_error_with_status_500, tells_what_the_provider_said("/api/copilotkit/agent/default/run", ASK_AG_UI))
