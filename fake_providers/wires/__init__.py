"""Rewrites a rendered stream into a wire: another legal form of the same reply. No sockets, no clock."""
