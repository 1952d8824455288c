"""The arguments of every operation: types, limits, and the texts that explain a wrong one."""
