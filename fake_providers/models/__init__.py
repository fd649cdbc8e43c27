"""The models that the fakes have: data, and how it is read. No sockets, no clock."""
