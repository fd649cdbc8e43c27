"""From a request to timed writes: which dialect, which script, which bytes when. No sockets."""
