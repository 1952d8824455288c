"""The operations that tools and commands call."""
