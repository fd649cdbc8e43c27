"""The apis: how a server is asked, and how its reply is read. One folder or file for each."""
