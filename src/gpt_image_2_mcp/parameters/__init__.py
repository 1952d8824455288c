"""The arguments of every operation: their types and limits, and the messages about a wrong one."""
