"""Transactions over all tables, and the one thread that runs them."""
