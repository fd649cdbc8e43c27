"""A run as one HTML file: no network, light and dark."""
