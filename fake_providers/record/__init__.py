"""The recorder: a proxy in front of a real provider that writes what it says as scripts."""
