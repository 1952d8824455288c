"""Pictures behind a store that all replicas of a server reach: what `serve` uses in place of a folder of the user."""
