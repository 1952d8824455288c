"""The operations on the pictures that exist: find, show, check, export, rebuild."""
