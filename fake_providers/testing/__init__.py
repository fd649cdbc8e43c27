"""The fakes inside a test's own process, and the guard that keeps its traffic on this machine."""
