"""`python -m bench`: what the server costs, beside the bare interpreter and the `openai` SDK called directly.

No network but loopback. `place` holds what all stand on, `starts`, `calls`, `load`, `growth`, `holding`,
`parts` and `catalogue` measure one subject each, `figures` keeps the numbers, `table` and `plot` show them.
`backend`, `sdk_alone` and `watched` are programs of their own, run as children.
"""
