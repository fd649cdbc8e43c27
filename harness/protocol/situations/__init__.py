"""The circumstances in which a reply is asked for, and which of their combinations are tried."""
