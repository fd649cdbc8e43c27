"""The conformance suite: `pytest conformance --base-url URL`. One file for each group of the contract."""
