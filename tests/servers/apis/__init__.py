"""Servers that speak public apis, written from their specifications: they share no code with the api objects."""
