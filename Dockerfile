# The server in a container, for clients that start it with
#   docker run -i --rm -e OPENAI_API_KEY -v gpt-image-2:/data --read-only --tmpfs /tmp gpt-image-2-mcp
# Pictures, catalogue and ledger are in the volume /data. For a team, docker build --target serve gives the image of
# docs/hosting/compose.yaml. tests/release/test_container.py runs these commands without an engine.

FROM python:3.13-slim-bookworm AS build
COPY --from=ghcr.io/astral-sh/uv:0.13 /uv /usr/local/bin/uv
WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements.txt constraints.txt ./
COPY src src
RUN uv venv /opt/gpt-image-2-mcp
RUN uv pip install --python /opt/gpt-image-2-mcp --compile-bytecode --constraints constraints.txt --build-constraints requirements.txt ".[server,pixels]"

FROM python:3.13-slim-bookworm AS program
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN mkdir /data && chown 10001:10001 /data
COPY --from=build /opt/gpt-image-2-mcp /opt/gpt-image-2-mcp
ENV PATH=/opt/gpt-image-2-mcp/bin:$PATH
ENV HOME=/data
ENV GPT_IMAGE_2_OUTPUT_DIR=/data/pictures
ENV PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
ARG SERVER_NAME=gpt-image-2-mcp
LABEL io.modelcontextprotocol.server.name=$SERVER_NAME org.opencontainers.image.licenses="MIT"
ENTRYPOINT ["gpt-image-2-mcp"]

FROM program AS serve
# People at other computers name no folders of this one.
ENV GPT_IMAGE_2_OUTPUT_DIR=
EXPOSE 8000
HEALTHCHECK --interval=10s --start-period=20s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["serve", "--host", "0.0.0.0"]

FROM program
HEALTHCHECK --interval=1m --timeout=20s CMD ["gpt-image-2-mcp", "doctor", "--sandbox"]
