"""Neither a terminal nor a log nor a model gets what a backend smuggles in, and no spelling of a secret."""

import base64
import codecs
import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread
import httpx2
import pytest
from patience import ALL_ROUNDS, PATIENCE_S
from promises import promise
from stdio_bench import PROGRAM, running
from workbench import SMALL, Benches, Canned, encoded

from .answers import ANSWERS
from .backend import HostileBackend
from .test_answers import STEERING, settings

pytestmark = pytest.mark.anyio

KEY = "sk-proj-Zq73hDpVt0LmXw9BsecretNotToBeShown"
PASSWORD = "BasicAuth:Passw0rd"
STEERING_ANSWERS = ("error-with-escapes", "quality-with-lines", "error-with-forged-lines")
SPELLINGS = {
    "as it is": KEY,
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "as a header in base64": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "behind two letters in base64": base64.urlsafe_b64encode(f"xx{KEY}".encode()).decode(),
    "in hex": KEY.encode().hex(),
    "in hex with blanks": KEY.encode().hex(" ").upper(),
    "per cent": "".join(f"%{byte:02x}" for byte in KEY.encode()),
    "per cent twice": "".join(f"%25{byte:02x}" for byte in KEY.encode()),
    "in HTML": "".join(f"&#{byte};" for byte in KEY.encode()),
    "in HTML and hex": "".join(f"&#x{byte:x};" for byte in KEY.encode()),
    "in JSON": "".join(f"\\u{byte:04X}" for byte in KEY.encode()),
    "in C": "".join(f"\\x{byte:02x}" for byte in KEY.encode()),
    "in octal": "".join(f"\\{byte:03o}" for byte in KEY.encode()),
    "as numbers": ", ".join(f"{byte:#04x}" for byte in KEY.encode()),
    "in base32": base64.b32encode(KEY.encode()).decode(),
    "in base64 twice": base64.b64encode(base64.b64encode(KEY.encode())).decode(),
    "in base64 of UTF-16": base64.b64encode(KEY.encode("utf-16-le")).decode(),
    "backwards in base64": base64.b64encode(KEY.encode()).decode()[::-1],
    "in wide letters": "".join(chr(ord(letter) + 0xFEE0) for letter in KEY),
    "backwards": KEY[::-1],
    "in capitals": KEY.upper(),
    "in the other case": KEY.swapcase(),
    "turned by 13": codecs.encode(KEY, "rot13"),
    "with blanks": " ".join(KEY),
    "with invisible blanks": "\u200b".join(KEY),
    "in pieces of seven": "-".join(KEY[at : at + 7] for at in range(0, len(KEY), 7)),
}


@promise(
    "Secrets",
    "The key is not repeated in base64, hex, per cent code, backwards, in other case or with blanks either.",
)
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_the_key_is_repeated(benches: Benches, spelling: str) -> None:
    text = f"Incorrect key {SPELLINGS[spelling]} was given"
    answer = Canned(lambda _: httpx2.Response(400, json={"error": {"message": text}}))
    bench = await benches.open(OPENAI_API_KEY=KEY, wrap=answer.wrap)
    told = await bench.refused("generate_image", prompt="a fox", size=SMALL)
    assert "[the key]" in told or "sk-…" in told
    # A few letters of base64 at both ends depend on what stands beside the key as well.
    words = told.replace("[the key]", "").partition("Incorrect")[2].partition("was given")[0]
    assert len(words) < 25, words


def contents(folder: Path) -> list[str]:
    """All files in a folder, as text."""
    return [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]


@promise("Secrets", "A password in `OPENAI_BASE_URL` is in no answer, error or file, as the header that has it either.")
@pytest.mark.parametrize("kind", ["error", "picture", "no-picture"])
async def test_a_password_in_the_address_of_the_backend_is_nowhere(benches: Benches, tmp_path: Path, kind: str) -> None:
    pair = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
    echo = f"{PASSWORD} {quote(PASSWORD)} https://alice:{quote(PASSWORD)}@api.example/v1 Basic {pair}"
    picture = {"b64_json": base64.b64encode(encoded()).decode(), "revised_prompt": echo}
    status, body = {
        "error": (400, {"error": {"message": echo, "code": echo, "type": echo, "param": echo}}),
        "picture": (200, {"data": [picture], "quality": echo, "size": echo, "background": echo}),
        "no-picture": (200, {"data": [{"b64_json": echo}], "output": echo}),
    }[kind]
    answer = Canned(lambda _: httpx2.Response(status, json=body, headers={"x-request-id": echo}))
    address = f"https://alice:{quote(PASSWORD)}@api.example/v1"
    bench = await benches.open(OPENAI_BASE_URL=address, data_dir=tmp_path / "data", wrap=answer.wrap)
    result = await bench.final("generate_image", prompt="a fox", size=SMALL)
    listed = await bench.call("list_images")
    texts = [result.model_dump_json(), listed.model_dump_json()]
    texts += contents(tmp_path)
    for secret in (PASSWORD, quote(PASSWORD), pair.rstrip("=")):
        assert not any(secret in text for text in texts), secret


@pytest.mark.thorough
@promise("Secrets", "A password in `OPENAI_BASE_URL`, and a key in its query, are in no log.")
async def test_a_password_in_the_address_of_the_backend_is_in_no_log(tmp_path: Path) -> None:
    with HostileBackend(lambda name: ANSWERS[name].pieces) as backend:
        address = backend.url.replace("//", f"//alice:{quote(PASSWORD)}@") + "?api-key=Query5ecret"
        environ = settings(backend, tmp_path, streamed=False) | {
            "OPENAI_BASE_URL": address,
            "GPT_IMAGE_2_MCP_DEBUG": "1",
            "GPT_IMAGE_2_ENGINE": "0",
        }
        async with running(environ) as program:
            await program.greet()
            for name in ("compressed", "error-with-escapes", "status-with-escapes"):
                await program.answer(await program.call("generate_image", prompt=f"attack-{name}", size=SMALL))
            await program.said_on_stderr("HTTP Request")
            await program.close_stdin()
            await program.ended()
    log = program.stderr.decode()
    assert not any(secret in log for secret in (PASSWORD, quote(PASSWORD), "Query5ecret"))
    assert not STEERING.search(log)


@pytest.mark.thorough
@promise("Words of others", "No word of a backend steers a terminal.")
@pytest.mark.parametrize("name", STEERING_ANSWERS if ALL_ROUNDS else STEERING_ANSWERS[:1])
async def test_the_words_of_a_backend_steer_no_terminal(name: str, tmp_path: Path) -> None:
    with HostileBackend(lambda name: ANSWERS[name].pieces) as backend:
        environ = {**os.environ, **settings(backend, tmp_path, streamed=False)}
        command = [*PROGRAM, "generate", f"attack-{name}"]

        def run() -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(command, env=environ, capture_output=True, check=False, timeout=PATIENCE_S)

        done = await anyio.to_thread.run_sync(run)
    printed = (done.stdout + done.stderr).decode()
    assert not STEERING.search(printed)
    assert not any(line.startswith(("Saved:", "Generated")) for line in printed.splitlines())
