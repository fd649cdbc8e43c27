"""The HTTP APIs of the providers, a folder each: how requests are read and replies written. No sockets, no clock."""
