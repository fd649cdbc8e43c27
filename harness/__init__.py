"""What the parts of chatproof share: the protocol (sans-IO), the clients, the reports, the command."""
