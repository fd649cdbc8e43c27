"""Servers that would wear a judge out, and the command that lets the whole suite judge each of them."""
