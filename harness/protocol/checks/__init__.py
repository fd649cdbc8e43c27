"""Checks: pure functions from a transcript to findings, one file for each group of the contract."""
