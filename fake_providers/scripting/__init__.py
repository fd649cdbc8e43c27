"""Scripts: what the model says, when, and how it fails. Data from TOML files."""
