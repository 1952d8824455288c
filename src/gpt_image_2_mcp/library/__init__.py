"""The library: operations on the pictures that were made here, such as find, show, check, export and rebuild."""
