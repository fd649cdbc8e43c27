"""pydantic-ai's Vercel AI adapter tells its client the provider's status, and the body of the provider's error.

The protocol's documentation leaves open what the text of an error says; npm `ai` says only that an error occurred.
"""

from plain import run
from plain_client import ASK_AI_SDK
from plain_faults import tells_what_the_provider_said
from plain_provider import an_error_with_status_500

run(an_error_with_status_500, tells_what_the_provider_said("/api/chat", ASK_AI_SDK))
