"""A server for a team over HTTP: who asks, the service of each person, and the app that `serve` runs.

Over stdio nothing of it is imported. Its dependencies are in the extra `server`.
"""
