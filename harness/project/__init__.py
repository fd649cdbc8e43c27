"""What `chatproof init` sees in a project, and the files that it writes from that."""
