"""The gallery: one HTML page with all pictures, what was asked for, and what each cost.

The page needs no other file and makes no request. It works without its script, which only searches. Records may come
from files that anyone could have written, so the templates escape every value, and the page's Content-Security-Policy
allows no script and no style but its own two.

`renderer` renders the `templates/` with the data of `view`; `session_tree` lays out an edit session's turns; `filters`
has the functions that the templates call.
"""
