"""The catalogue: the records of all pictures, edit sessions and jobs, their tables, and the search in them."""
