"""The tab in Locust's own web UI."""
