"""The environment: what is wrong is said by every call, and what is unset stays unset for the OpenAI SDK too."""

import base64

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import external_file, snapshot
from workbench import KEY, SMALL, TOOLS, Benches, Canned, encoded, folded, plain_arguments, said

from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

WRONG = {
    "OPENAI_API_KEY": "sk-with a space-1234567",
    "OPENAI_BASE_URL": "api.openai.com/v1",
    "OPENAI_ORG_ID": "org 7",
    "OPENAI_PROJECT_ID": "proj 7",
    "GPT_IMAGE_2_MODEL": "m" * 201,
    "GPT_IMAGE_2_SESSION_MAX": "many",
    "GPT_IMAGE_2_SESSION_TTL_MS": "-1",
    "OPENAI_RESPONSES_EDIT_MODEL": "h" * 201,
    "OPENAI_FORCE_RESPONSES_EDITS": "perhaps",
    "GPT_IMAGE_2_MCP_DEBUG": "2",
}


def problems(**environ: str) -> tuple[str, ...]:
    return Settings.read(environ).problems


# Wrong values.


def test_each_wrong_value_is_said_in_one_line_with_what_it_may_be() -> None:
    told = {name: problems(**{name: value}) for name, value in WRONG.items()}
    assert all(len(lines) == 1 and "\n" not in lines[0] for lines in told.values())
    assert [lines[0] for lines in told.values()] == external_file("texts/settings.json")


def test_a_key_that_is_wrong_is_not_repeated() -> None:
    (problem,) = problems(OPENAI_API_KEY=WRONG["OPENAI_API_KEY"])
    assert "1234567" not in problem
    (problem,) = problems(OPENAI_BASE_URL="ftp://kim:hunter2@proxy.test")
    assert "hunter2" not in problem


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_value_is_said_by_a_call(benches: Benches, name: str) -> None:
    """A server that merely dies shows a person nothing."""
    bench = await benches.open({name: WRONG[name]})
    assert await bench.refused("generate_image", prompt="a fox") == "\n".join(problems(**{name: WRONG[name]}))
    assert not bench.seen()


@pytest.mark.parametrize("tool", TOOLS)
async def test_wrong_values_are_said_by_every_call(benches: Benches, tool: str) -> None:
    bench = await benches.open(GPT_IMAGE_2_SESSION_MAX="many", GPT_IMAGE_2_MCP_DEBUG="2")
    text = said(await bench.call(tool, **plain_arguments(tool)))
    assert "GPT_IMAGE_2_SESSION_MAX" in text
    assert "GPT_IMAGE_2_MCP_DEBUG" in text


@pytest.mark.parametrize(
    "value",
    ["999999999999999999", "99999999999999"],
)
async def test_a_time_to_live_of_ages_is_as_good_as_none_or_said_to_be_wrong(benches: Benches, value: str) -> None:
    """People write many nines where they mean `never`."""
    bench = await benches.open(GPT_IMAGE_2_SESSION_TTL_MS=value)
    text = said(await bench.call("list_edit_sessions"))
    assert "active edit session" in text or "GPT_IMAGE_2_SESSION_TTL_MS" in text


async def test_an_output_folder_that_cannot_be_is_said_with_its_variable(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_OUTPUT_DIR="~kim/pictures")
    assert "GPT_IMAGE_2_OUTPUT_DIR" in await bench.refused("generate_image", prompt="a fox")


async def test_an_output_folder_of_the_settings_that_cannot_be_made_is_said_with_its_variable(
    benches: Benches,
) -> None:
    bench = await benches.open(GPT_IMAGE_2_OUTPUT_DIR="/dev/null/pictures")
    text = await bench.refused("generate_image", prompt="a fox")
    assert "GPT_IMAGE_2_OUTPUT_DIR" in text
    assert not bench.seen()


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.test:99999/v1",
        "http://[::1/v1",
        "//proxy.test/v1",
        "proxy.test:8080/v1",
    ],
)
async def test_an_address_that_cannot_be_is_said_with_what_it_may_be(benches: Benches, url: str) -> None:
    bench = await benches.open(OPENAI_BASE_URL=url)
    text = await bench.refused("generate_image", prompt="a fox")
    assert text.startswith("OPENAI_BASE_URL must be an http:// or https:// URL")


@given(st.dictionaries(st.sampled_from(sorted(Settings.variables())), st.text(max_size=30)))
def test_no_environment_stops_the_server(environ: dict[str, str]) -> None:
    settings = Settings.read(environ)
    for problem in settings.problems:
        assert any(name in problem for name in environ)


# No value.


@pytest.mark.parametrize("legacy", [False, True])
async def test_without_a_key_the_tools_are_listed_and_a_call_says_what_is_missing(
    benches: Benches, legacy: bool
) -> None:
    bench = await benches.open(legacy=legacy, OPENAI_API_KEY="")
    names = [tool.name for tool in (await bench.client.list_tools()).tools]
    assert set(TOOLS) <= set(names)
    assert folded(await bench.refused("generate_image", prompt="a fox")) == snapshot("""\
OPENAI_API_KEY is not set, so no picture can be made. Make a key at
https://platform.openai.com/api-keys. For an MCP client, put it into the `env` block of this
server's entry in the client's configuration and restart the client, since the shell's environment
does not reach it; in a terminal, export it. OPENAI_API_KEY_FILE can name a file that holds it
instead. To try without a key, add --sandbox to the server's `args` or to the command.\
""")
    assert not bench.seen()
    assert not bench.folder.exists()


UNSET = ["", "   ", "${SOME_VARIABLE}", " ${OPENAI_API_KEY} ", "${env:KEY}", "${}", "https://${HOST}/v1"]


@pytest.mark.parametrize("value", UNSET)
def test_empty_or_not_filled_in_is_unset(value: str) -> None:
    unset = Settings.read({})
    assert Settings.read(dict.fromkeys(Settings.variables(), value)) == unset
    assert unset.problems == ()


@pytest.fixture
def polluted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the SDK would read by itself, if it were given nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-shell")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-of-the-shell")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-shell")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-of-the-shell")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://of-the-shell.test/v1")


@pytest.mark.usefixtures("polluted")
@pytest.mark.parametrize("value", ["", "${NOT_FILLED_IN}"])
async def test_what_is_unset_here_does_not_reach_the_sdk_by_the_environment(benches: Benches, value: str) -> None:
    bench = await benches.open(OPENAI_ORG_ID=value, OPENAI_PROJECT_ID=value, OPENAI_BASE_URL=value)
    await bench.made("generate_image", prompt="a fox", size=SMALL)
    headers = bench.last().headers
    assert headers["host"] == "api.openai.com"
    assert not {"openai-organization", "openai-project"} & set(headers)
    assert "of-the-shell" not in str(headers)


@pytest.mark.usefixtures("polluted")
async def test_the_sandbox_in_this_process_gets_nobodys_key(benches: Benches) -> None:
    """Not even that of the settings: nothing of a person's leaves for a test."""
    bench = await benches.open(sandbox=True, OPENAI_BASE_URL="http://elsewhere.test/v1")
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert bench.last().headers["host"] == "api.openai.com"
    assert answer.path.parent == bench.folder / "sandbox"


async def test_what_is_set_is_sent(benches: Benches) -> None:
    bench = await benches.open(
        OPENAI_ORG_ID="org-7", OPENAI_PROJECT_ID=" proj-7\n", OPENAI_BASE_URL="http://proxy.test/v1/"
    )
    await bench.made("generate_image", prompt="a fox", size=SMALL)
    headers = bench.last().headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-7", "proj-7")
    assert (headers["host"], bench.last().path) == ("proxy.test", "/v1/images/generations")


async def test_the_key_appears_in_no_answer_and_no_representation(benches: Benches) -> None:
    settings = Settings.read({"OPENAI_API_KEY": KEY})
    assert KEY not in repr(settings)
    assert KEY not in str(settings.model_dump())
    bench = await benches.open()
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert KEY not in answer.text + str(answer.report)


async def test_a_server_without_a_cap_keeps_all_its_sessions(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_SESSION_MAX="0", GPT_IMAGE_2_SESSION_TTL_MS="0")
    bench.photo()
    for _ in range(3):
        await bench.made("start_edit_session", prompt="bluer", images=["photo.png"], size=SMALL)
    assert "3 active" in said(await bench.call("list_edit_sessions"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("$HOME/pics", "/home/ann/pics"),
        ("${HOME}/pics", "/home/ann/pics"),
        ("%USERPROFILE%/pics", "/users/ann/pics"),
        ('"/data/my pics"', "/data/my pics"),
    ],
)
def test_variables_and_quotes_in_a_folder_are_understood(written: str, meant: str) -> None:
    environ = {"GPT_IMAGE_2_OUTPUT_DIR": written, "HOME": "/home/ann", "USERPROFILE": "/users/ann"}
    settings = Settings.read(environ)
    assert settings.problems == ()
    assert settings.output_dir == meant


@pytest.mark.parametrize("written", ["$NOWHERE/pics", "%NOWHERE%/pics"])
def test_a_variable_that_is_not_set_is_named(written: str) -> None:
    (problem,) = Settings.read({"GPT_IMAGE_2_OUTPUT_DIR": written}).problems
    assert "the variable" in problem
    assert "NOWHERE" in problem
    assert "is not set" in problem


async def test_a_query_in_the_base_url_is_sent_with_every_request(benches: Benches) -> None:
    """Azure's portal gives such an address."""
    urls: list[httpx2.URL] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        urls.append(request.url)
        data = base64.b64encode(encoded()).decode()
        return httpx2.Response(200, json={"created": 0, "data": [{"b64_json": data}]})

    url = "https://ann.openai.azure.test/openai/v1/?api-version=preview"
    bench = await benches.open(wrap=Canned(answer).wrap, OPENAI_BASE_URL=url)
    await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert [str(url) for url in urls] == [
        "https://ann.openai.azure.test/openai/v1/images/generations?api-version=preview"
    ]
