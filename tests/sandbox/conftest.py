"""A fresh sandbox for each test: raw through `http`, and through the real SDK as `client`."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from openai import AsyncOpenAI
from patience import PATIENCE_S

from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def knobs() -> Knobs:
    return Knobs()


@pytest.fixture
async def http(knobs: Knobs) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        transport=SandboxTransport(build_sandbox(knobs=knobs)),
        base_url="http://sandbox.test/v1",
        headers={"authorization": "Bearer sk-test"},
        timeout=PATIENCE_S,
    ) as http:
        yield http


@pytest.fixture
def client(http: httpx2.AsyncClient) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="sk-test", base_url="http://sandbox.test/v1", http_client=http, max_retries=0)
