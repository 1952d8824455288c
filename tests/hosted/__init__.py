"""One server for a team, tested with the real parts: PostgreSQL, an S3 server, an identity provider, proxies."""
