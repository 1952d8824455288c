"""The database that all processes of a person or a team share: opening it, its tables, and which processes are alive.

`store.open_store` is the way in: it gives a `Store`, which is a `Database` and this process's proof of life. `schema`
has the tables as they are today; `migrations` brings an older database to that form.
"""
