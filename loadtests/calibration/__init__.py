"""A bare server that plays one known script, and what our own clients make of it."""
