"""Shared by suite, load tests and fakes: child processes, started servers, targets, redaction, options, errors."""
