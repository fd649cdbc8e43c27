"""Readers that stamp and append on arrival, and parsers that look at it all afterwards."""
