"""The one database file of a person: opening it, its tables, and which processes are at work in it."""
