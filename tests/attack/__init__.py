"""What attackers would try, with bounds on memory, time and the size of answers: `make attack`.

`answers` is a table of hostile answers and `backend` gives them over raw sockets. `measure` says how much memory and
processor time something took.
"""
