"""One editor for each format of configuration files: JSON with comments, TOML, YAML.

Each has the same three functions. `read(text)` gives the document as Python values. `put(text, path, value)` gives the
text with `value` at `path`, the names that lead there, and `remove(text, path)` gives it without what is there. What a
person wrote around it stays as it is: comments, order, indentation, line ends.
"""
