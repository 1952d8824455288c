"""Everything that is sent to OpenAI's API and read from it; the only folder that imports `openai`.

`LazyBackend` makes the `Backend` at the first request. The backend sends an `ImageRequest` by one of two routes:
`ImagesRoute`, or `responses_route` for edits that the first one cannot do (`EditRouter`). Both send through
`RequestSender` (`retry`), which waits for the `RateLimiter` and repeats what cannot have been billed (`unbilled`).
`body_reader` and `results` read answers, `errors` translates failures. What arrives goes to an `ImageSink`: nothing
here saves pictures or knows of sessions.
"""
