"""`python -m bench`: what the server costs, beside the bare interpreter and the `openai` SDK called directly.

The only network is loopback. `workspace` sets up what every section needs. `starts`, `chats`, `calls`, `load`,
`growth`, `event_loop`, `parts`, `catalogue` and `pieces` each measure one subject. `figures` keeps the numbers, and
`table` and `plot` show them. `backend`, `sdk_alone`, `server_profiler` and `server_without` are programs that run as
children.
"""
