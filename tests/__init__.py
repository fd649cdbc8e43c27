"""The project's own tests, one folder for each part of the house."""
