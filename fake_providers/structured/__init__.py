"""Structured output without I/O: the smallest JSON value that a JSON Schema allows, and a check of values."""
