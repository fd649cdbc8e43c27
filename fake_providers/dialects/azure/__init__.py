"""OpenAI's models at Azure's addresses."""
