"""Redacts secrets in texts that leave the process: the API key, and the password of a database's address."""
