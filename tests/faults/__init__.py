"""Random mixtures of everything that can go wrong around a paid request, and what must hold in the end.

`kinds` is the list of answers that a backend may give, `backend` gives them over raw sockets and keeps the bill,
`wishes` draws a mixture from a seed, `clients` starts the real program and lives through it, and `invariants` counts.
"""
