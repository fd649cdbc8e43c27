"""The suite's engine: lanes, tests as data, the scheduler, and the hooks that tie them to pytest."""
