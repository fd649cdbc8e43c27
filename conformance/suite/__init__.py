"""What the tests stand on: one run of the suite, one case of it, and the hooks that tie them to pytest."""
