"""Azure's two shapes of the same routes, through Azure's own client and through OpenAI's."""

import httpx2
import pytest
from openai import APIStatusError, AsyncAzureOpenAI, AsyncOpenAI
from sandbox_pictures import SMALL, opened, png, upload

from gpt_image_2_mcp.sandbox import Knobs

pytestmark = pytest.mark.anyio

VERSION = "2025-04-01-preview"


@pytest.fixture
def azure(http: httpx2.AsyncClient) -> AsyncAzureOpenAI:
    del http.headers["authorization"]
    return AsyncAzureOpenAI(
        azure_endpoint="http://sandbox.test",
        api_key="azure-key",
        api_version=VERSION,
        http_client=http,
        max_retries=0,
    )


async def test_azures_client_makes_and_edits_pictures_with_a_deployment_of_any_name(
    azure: AsyncAzureOpenAI, knobs: Knobs
) -> None:
    made = await azure.images.generate(model="our-pictures", prompt="a fox", size=SMALL)
    edited = await azure.images.edit(model="our-pictures", prompt="a hat", image=upload(png((64, 64))), size=SMALL)
    for answer in (made, edited):
        assert answer.data is not None
        assert opened(answer.data[0].b64_json).size == (1024, 640)
    assert [request.path for request in knobs.requests] == [
        "/openai/deployments/our-pictures/images/generations",
        "/openai/deployments/our-pictures/images/edits",
    ]
    assert all(request.has_key for request in knobs.requests)
    assert not any("azure-key" in str(request) for request in knobs.requests)


@pytest.mark.parametrize("query", [{}, {"api-version": "preview"}])
async def test_azures_v1_endpoint_takes_openais_client(http: httpx2.AsyncClient, query: dict[str, str]) -> None:
    client = AsyncOpenAI(
        api_key="azure-key",
        base_url="http://sandbox.test/openai/v1",
        default_query=query,
        http_client=http,
        max_retries=0,
    )
    made = await client.images.generate(model="our-pictures", prompt="a fox", size=SMALL)
    assert made.data is not None
    with pytest.raises(APIStatusError, match="'png' and 'jpeg'"):
        await client.images.generate(model="our-pictures", prompt="a fox", size=SMALL, output_format="webp")


async def test_azure_refuses_a_wrong_key_and_a_missing_version_in_its_own_words(
    http: httpx2.AsyncClient,
) -> None:
    del http.headers["authorization"]
    path = "http://sandbox.test/openai/deployments/our-pictures/images/generations"
    body = {"prompt": "a fox", "size": SMALL}
    answers = [
        await http.post(path, json=body, headers=headers, params=params)
        for headers, params in (
            ({"api-key": "sk-invalid"}, {"api-version": VERSION}),
            ({}, {"api-version": VERSION}),
            ({"api-key": "azure-key"}, {}),
        )
    ]
    errors = [(answer.status_code, answer.json()["error"]["code"]) for answer in answers]
    assert errors == [(401, "401"), (401, "401"), (404, "404")]
    # OpenAI's own paths do not know Azure's header.
    assert (await http.get("/models", headers={"api-key": "azure-key"})).status_code == 401
