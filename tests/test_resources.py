"""Saved pictures as MCP resources: the list, the template, and the original bytes."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mcp import MCPError
from mcp_types import BlobResourceContents, CallToolResult, ResourceTemplateReference
from stdio_bench import PROTOCOLS, report_of, running
from workbench import META, SMALL, Bench, Benches, canned, encoded, said

pytestmark = pytest.mark.anyio

TEMPLATE = "gpt-image-2://pictures/{id}"
SESSION = "gpt-image-2://sessions/{id}"


def uris_of(result: CallToolResult) -> list[str]:
    return [TEMPLATE.replace("{id}", quote(image["id"])) for image in report_of(result)["images"]]


async def read(bench: Bench, uri: str) -> BlobResourceContents:
    (contents,) = (await bench.client.read_resource(uri)).contents
    assert isinstance(contents, BlobResourceContents)
    return contents


@pytest.mark.parametrize("tool", ["generate_image", "edit_image", "start_edit_session"])
async def test_every_saved_picture_is_a_resource_with_its_original_bytes(each_era: Bench, tool: str) -> None:
    images: dict[str, Any] = {} if tool == "generate_image" else {"images": [str(each_era.photo())]}
    count: dict[str, Any] = {} if tool == "start_edit_session" else {"n": 2}
    result = await each_era.call(
        tool, prompt="a fox", size="1024x1024", output_format="webp", filename_prefix="Füchse & 狐", **images, **count
    )
    saved = report_of(result)["images"]
    for uri, image in zip(uris_of(result), saved, strict=True):
        assert image["id"] in said(result)
        assert image["mime_type"] == "image/webp"
        contents = await read(each_era, uri)
        with open(image["file_path"], "rb") as file:  # noqa: ASYNC230, PTH123 - a small file of this test
            assert base64.b64decode(contents.blob) == file.read()
        assert (contents.uri, contents.mime_type) == (uri, "image/webp")


async def test_no_answer_links_to_a_resource(each_era: Bench) -> None:
    """Frameworks take such a link for the address of an image, and the next request to their model fails."""
    made = await each_era.call("generate_image", prompt="a fox", size=SMALL)
    for result in (made, await each_era.call("show_image", image="last")):
        assert [block.type for block in result.content] == ["text", "image"]


async def test_the_recent_pictures_are_listed_the_newest_first(each_era: Bench) -> None:
    made = [await each_era.call("generate_image", prompt=f"fox {n}", size=SMALL, n=n) for n in (1, 2)]
    (first,), second = map(uris_of, made)
    listed = (await each_era.client.list_resources()).resources
    assert [resource.uri for resource in listed] == [second[1], second[0], first]
    (image,) = report_of(made[0])["images"]
    named = (listed[-1].name, listed[-1].mime_type, listed[-1].size)
    assert named == (image["filename"], image["mime_type"], image["size_bytes"])


@pytest.mark.parametrize("version", ["2025-06-18", PROTOCOLS[-1]])
async def test_what_was_made_is_listed_by_a_later_process(version: str, tmp_path: Path) -> None:
    environ = {"GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "pictures"), "HOME": str(tmp_path)}
    async with running(environ, "--sandbox", version=version) as program:
        await program.greet()
        made = await program.answer(await program.call("generate_image", prompt="a fox", size=SMALL))
        await program.close_stdin()
        assert await program.ended() == 0
    async with running(environ, "--sandbox", version=version) as program:
        await program.greet()
        listed = (await program.answer(await program.ask("resources/list")))["resources"]
    assert [resource["uri"] for resource in listed] == [
        TEMPLATE.replace("{id}", image["id"]) for image in made["_meta"][META]["images"]
    ]


async def test_a_template_tells_how_a_picture_is_addressed(each_era: Bench) -> None:
    template, session = (await each_era.client.list_resource_templates()).resource_templates
    assert template.uri_template == TEMPLATE
    assert session.uri_template == SESSION
    assert "original file" in (template.description or "")


async def test_the_list_stays_short_and_older_pictures_are_read_all_the_same(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(*[encoded("WEBP", (64, 64))] * 10).wrap)
    oldest = uris_of(await bench.call("generate_image", prompt="foxes", n=10))[0]
    for _ in range(5):
        await bench.call("generate_image", prompt="foxes", n=10)
    listed = (await bench.client.list_resources()).resources
    assert len(listed) == 50
    assert oldest not in {resource.uri for resource in listed}
    assert base64.b64decode((await read(bench, oldest)).blob) == encoded("WEBP", (64, 64))


@pytest.mark.parametrize(
    "uri",
    [
        "gpt-image-2://pictures/image-20260101-000000-abcdef",
        "gpt-image-2://pictures/",
        "gpt-image-2://pictures/../../etc/passwd",
        "gpt-image-2://pictures/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "gpt-image-2://other/x",
        "file:///etc/passwd",
    ],
)
async def test_an_unknown_resource_is_an_error(each_era: Bench, uri: str) -> None:
    with pytest.raises(MCPError, match="no picture"):
        await each_era.client.read_resource(uri)


async def test_a_picture_whose_file_is_gone_is_an_error_that_names_it(each_era: Bench) -> None:
    answer = await each_era.made("generate_image", prompt="a fox", size=SMALL)
    answer.path.unlink()
    with pytest.raises(MCPError, match="is gone"):
        await each_era.client.read_resource(TEMPLATE.replace("{id}", answer.path.stem))


@pytest.mark.parametrize("legacy", [True, False])
async def test_a_catalogue_that_cannot_be_used_is_told_in_words(
    benches: Benches, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, legacy: bool
) -> None:
    database = tmp_path / "catalogue.db"
    bench = await benches.open(legacy=legacy, GPT_IMAGE_2_DATABASE_URL=f"sqlite:///{database}")
    await bench.made("generate_image", prompt="a fox", size=SMALL)
    database.write_bytes(b"holiday plans " * 10_000)
    client = bench.client
    caplog.clear()
    for asked in (
        client.list_resources(),
        client.read_resource(TEMPLATE.replace("{id}", "image-20261122-101112-abcdef")),
        client.complete(ResourceTemplateReference(uri=TEMPLATE), {"name": "id", "value": ""}),
    ):
        with pytest.raises(MCPError, match=r"^The database '.*catalogue\.db' is "):
            await asked
    assert not [record for record in caplog.records if record.exc_info]
