"""The API: the only client-side package that imports `openai`.

`client` makes the SDK's client and decides what is sent again, `direct` is the images route, `responses` the
Responses route that edits may fall back to, `answers` reads what came, `failures` turns what went wrong into our
errors. Nothing here knows of files or sessions.
"""
