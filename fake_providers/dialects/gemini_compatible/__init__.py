"""Gemini at its OpenAI-compatible addresses."""
