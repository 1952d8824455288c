"""What a backend claims about itself is believed only where it can be true."""

from pathlib import Path

import httpcore2
import pytest
from mcp import Client
from workbench import SMALL, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.inputs.public_connect import GuardedBackend
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

from .answers import good, sent
from .backend import HostileBackend
from .test_answers import settings

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("near", [True, False])
async def test_only_a_sandbox_on_this_computer_is_believed_to_be_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, near: bool
) -> None:
    """A backend far away could free every charge from the budget; here it is reached through a proxy."""
    answer = sent(good(), x_gpt_image_2_sandbox="1")
    with HostileBackend(lambda _: answer) as backend:
        variables = settings(backend, tmp_path, streamed=False)
        if not near:
            monkeypatch.setenv("HTTP_PROXY", backend.url.removesuffix("/v1"))
            variables["OPENAI_BASE_URL"] = "http://far.example/v1"
        service = open_service(
            Settings.read(variables), working_dir=tmp_path, home=Path(variables["HOME"]), data_dir=None
        )
        async with Client(build_server(lambda: service)) as client:
            text = said(await client.call_tool("generate_image", {"prompt": "a fox", "size": SMALL}))
    assert ("by the built-in sandbox" in text) is near


async def test_the_backends_name_means_the_address_at_which_it_was_reached() -> None:
    """Its name server may say another one next time: that of something inside."""

    async def resolve(host: str, port: int) -> list[str]:
        assert port in {9, 10}
        return {"moved.example": ["127.0.0.1"], "same.example": ["::1", "127.0.0.2"]}[host]

    pinned = {"moved.example:9": "8.8.8.8", "same.example:9": "127.0.0.2"}
    backend = GuardedBackend(allowed=(), resolve=resolve, pinned=pinned)
    with pytest.raises(UnreadableSource):
        await backend.connect_tcp("moved.example", 9)
    with pytest.raises(UnreadableSource):
        await backend.connect_tcp("same.example", 10)
    with pytest.raises(httpcore2.ConnectError):
        # It was tried: nothing listens there.
        await backend.connect_tcp("same.example", 9)
