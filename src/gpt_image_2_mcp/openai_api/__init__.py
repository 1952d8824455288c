"""The API: the only client-side package that imports `openai`.

`client` makes the SDK's client and decides what is sent again, `loop_transport` leads it to the sandbox in this
process, `direct` is the images route, `responses` the Responses route that edits may fall back to, `arriving` and
`answers` read what came, `failures` turns what went wrong into our errors. Nothing here knows of files or sessions.
"""
