"""The fakes over HTTP, and the launcher that starts them as a process."""
