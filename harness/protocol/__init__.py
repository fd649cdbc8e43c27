"""The contract, sans-IO: requirements, messages, the strict SSE parser, transcripts and checks."""
