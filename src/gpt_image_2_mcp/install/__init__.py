"""How to add this server to a client."""
