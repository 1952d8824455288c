"""The gallery: one HTML page with all pictures, what was asked for, and what each cost.

The page needs no other file and makes no request. It works without its script, which only searches. Records may come
from files of any origin, so the templates escape every value, and the page's Content-Security-Policy allows no script
and no style but its own two.

`renderer` renders the `templates/`. `view` arranges the pictures, `session_tree` the turns of an edit session; `cards`
computes what is shown of one picture; `filters` turns values into text. `given` tells the pictures that were asked for
from those of the model behind them.
"""
