"""`Settings`: the environment variables, read once by `Settings.read` into one immutable object.

A wrong value never stops the server, since the user of an MCP client sees nothing of a server that exits. The default
is used instead, and `problems` gets a sentence, which is written to stderr once and is the answer to every call.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl

from pydantic import Field, PrivateAttr

from .credentials.api_key import KeySource, read_key_file, read_keyring
from .database.url import Address, PostgresUrl
from .environment import Environment
from .errors import BadRequest, NotConfigured, shown
from .paths.policy import expand_path
from .redaction.key import redact_key, redact_key_bytes
from .redaction.password import redact_password, url_secrets
from .setting_types import (
    AccountId,
    ApiKey,
    DatabaseUrl,
    Dollars,
    Folder,
    HostList,
    HttpUrl,
    KeyFile,
    ModelName,
    ModelNames,
    PathList,
)

if TYPE_CHECKING:
    from .parameters.options import PricedOptions

DEFAULT_BASE_URL = "https://api.openai.com/v1"
"""The API's address where OPENAI_BASE_URL is not set."""

UNASKED_USD = Decimal(1)
"""The dollars above which the person is asked where neither a budget nor GPT_IMAGE_2_CONFIRM_OVER_USD is set: no single
picture of a quality up to high costs as much."""

TEN_YEARS_MS = 315_360_000_000
"""The longest idle time of a session that can be set; for a longer one there is 0, which means never."""


class Settings(Environment):
    """What a user can set."""

    FOLDERS: ClassVar[tuple[str, ...]] = ("GPT_IMAGE_2_OUTPUT_DIR", "GPT_IMAGE_2_ALLOWED_DIRS")
    WHERE: ClassVar[str] = "in the client's configuration, or in the shell"

    api_key: ApiKey | None = Field(None, alias="OPENAI_API_KEY")
    """Your OpenAI API key, from https://platform.openai.com/api-keys. Needed to make pictures, not to start."""
    api_key_file: KeyFile | None = Field(None, alias="OPENAI_API_KEY_FILE")
    """A file that holds the key, if `OPENAI_API_KEY` is not set: so the key need not stand in a client's configuration.
    Refused if other users can read it (`chmod 600`)."""
    keyring: bool = Field(default=False, alias="GPT_IMAGE_2_KEYRING")
    """1: the key is read from the system's keyring if neither of these is set (needs `gpt-image-2-mcp[keyring]`). Store
    it with `uvx keyring set gpt-image-2-mcp OPENAI_API_KEY`."""
    base_url: HttpUrl | None = Field(None, alias="OPENAI_BASE_URL")
    """Another backend that speaks OpenAI's API: a proxy, Azure's v1 endpoint, the sandbox as a server."""
    organization: AccountId | None = Field(None, alias="OPENAI_ORG_ID")
    """The organization that pays, for keys that belong to several."""
    project: AccountId | None = Field(None, alias="OPENAI_PROJECT_ID")
    """The project that pays."""
    output_dir: Folder | None = Field(None, alias="GPT_IMAGE_2_OUTPUT_DIR")
    """Where pictures are saved: absolute, `~/…`, or relative to the working directory; `$NAME` and `%NAME%` are
    replaced. Unset: your Pictures folder, `gpt-image-2/<project>/`."""
    model: ModelName = Field("gpt-image-2", alias="GPT_IMAGE_2_MODEL")
    """The image model; a dated snapshot, a later model, an Azure deployment or a proxy's alias."""
    allowed_models: ModelNames = Field((), alias="GPT_IMAGE_2_ALLOWED_MODELS")
    """The image models that a call may name in `model`, separated by commas; the one above is always allowed. Unset:
    any."""
    session_max: int = Field(20, ge=0, alias="GPT_IMAGE_2_SESSION_MAX")
    """Edit sessions kept; beyond it the least recently used one is forgotten (its files stay). 0: no limit."""
    session_ttl_ms: int = Field(3_600_000, ge=0, le=TEN_YEARS_MS, alias="GPT_IMAGE_2_SESSION_TTL_MS")
    """Milliseconds after which an idle edit session is forgotten (its files stay). 0: never."""
    responses_edit_model: ModelName = Field("gpt-4.1-mini", alias="OPENAI_RESPONSES_EDIT_MODEL")
    """The host model of the Responses API, where edits go when a backend has no `/images/edits`, and which looks for
    what a mask names (`find the red car`)."""
    force_responses_edits: bool = Field(default=False, alias="OPENAI_FORCE_RESPONSES_EDITS")
    """1: edits always go through the Responses API."""
    max_wait_s: float = Field(50, ge=0, alias="GPT_IMAGE_2_MAX_WAIT_S")
    """Seconds after which a tool's call answers with a job id while the picture goes on being made; most clients give
    up at 60. 0: as long as it takes."""
    max_concurrency: int = Field(4, ge=1, le=64, alias="GPT_IMAGE_2_MAX_CONCURRENCY")
    """Requests to the API at once; the rest queue in order."""
    pictures_per_minute: int | None = Field(None, ge=1, le=100_000, alias="GPT_IMAGE_2_PICTURES_PER_MINUTE")
    """The most pictures a minute that batches ask for; your tier's limit is on
    https://platform.openai.com/settings/organization/limits. Unset: 5, the lowest tier's, until an answer tells
    yours."""
    shutdown_grace_s: float = Field(300, ge=0, alias="GPT_IMAGE_2_SHUTDOWN_GRACE_S")
    """Seconds that a server whose client is gone waits for pictures that are paid for already."""
    engine: bool = Field(default=True, alias="GPT_IMAGE_2_ENGINE")
    """off: pictures are made in the process that the client starts, and lost if the client kills it; otherwise, on
    Linux, in a process of its own, which finishes what is paid."""
    engine_idle_s: float = Field(600, ge=0, alias="GPT_IMAGE_2_ENGINE_IDLE_S")
    """Seconds without work after which that process ends and frees its memory; the next call starts another one. 0:
    never."""
    inline: Literal["preview", "full", "none"] = Field("preview", alias="GPT_IMAGE_2_INLINE")
    """What an answer shows of a picture: `preview`, scaled so that every client takes it; `full`, the file itself;
    `none`. The file on the disk is the API's own in each case."""
    partial_images: int = Field(0, ge=0, le=3, alias="GPT_IMAGE_2_PARTIAL_IMAGES")
    """Unfinished pictures to save while one is made, in `.gpt-image-2` beside it; each costs 100 output tokens."""
    allowed_dirs: PathList | None = Field(None, alias="GPT_IMAGE_2_ALLOWED_DIRS")
    """Folders, separated as in `PATH`: with it set, pictures are read and written in them and in your own output
    folder only."""
    allow_unsafe_output_dir: bool = Field(default=False, alias="GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR")
    """1: `output_dir` may be a system folder, a hidden folder of your home, or a folder of secrets."""
    allowed_url_hosts: HostList = Field((), alias="GPT_IMAGE_2_ALLOWED_URL_HOSTS")
    """Hosts (`host` or `host:port`, separated by commas) whose pictures may be fetched although they are not public."""
    budget_per_call_usd: Dollars | None = Field(None, alias="GPT_IMAGE_2_BUDGET_PER_CALL_USD")
    """The most dollars that one call may cost by the estimate; what would be dearer is refused unsent."""
    budget_per_day_usd: Dollars | None = Field(None, alias="GPT_IMAGE_2_BUDGET_PER_DAY_USD")
    """The most dollars a day, by the local calendar, over all clients and the command line together."""
    confirm_over_usd: Dollars | None = Field(None, alias="GPT_IMAGE_2_CONFIRM_OVER_USD")
    """You are asked before a call that may cost more dollars than this; refused where the client cannot ask. Unset, and
    no budget set: above $1, where the client can ask."""
    database_url: DatabaseUrl | None = Field(None, alias="GPT_IMAGE_2_DATABASE_URL")
    """Where the catalogue and the ledger are: `sqlite:///` and a file's path, `sqlite://` for memory only, nothing
    kept, or `postgresql://user:password@host/database`, which a team shares (needs `gpt-image-2-mcp[postgres]`,
    and no pooler in transaction mode). Unset: a file in your data folder."""
    history: bool = Field(default=True, alias="GPT_IMAGE_2_HISTORY")
    """off: no catalogue and no records beside the pictures; sessions and jobs are forgotten when the server ends."""
    debug: bool = Field(default=False, alias="GPT_IMAGE_2_MCP_DEBUG")
    """1: say on stderr what happens."""

    sandbox: bool = False
    """Not from the environment: whether the program was started with `--sandbox`."""
    hosted: bool = False
    """Not from the environment: whether people at other computers are served, so that no call names a file or a
    folder of this one."""
    _key_source: KeySource | None = PrivateAttr(None)

    def model_post_init(self, context: Any, /) -> None:
        """Choose where the key comes from if it is not in the environment."""
        del context
        if self.api_key is None and self.api_key_file is not None:
            self._key_source = KeySource(partial(read_key_file, self.api_key_file))
        elif self.api_key is None and self.keyring:
            self._key_source = KeySource(read_keyring)

    @classmethod
    def read(cls, environ: Mapping[str, str], *, sandbox: bool = False) -> Self:
        """Read the variables from an environment; a wrong value becomes a sentence in `problems`."""
        return cls.read_with(environ, sandbox=sandbox)

    def allowed_folders(self, working_dir: Path, home: Path) -> tuple[Path, ...] | None:
        """The folders of `GPT_IMAGE_2_ALLOWED_DIRS`; None if it is unset, and reading and writing is not restricted."""
        if self.allowed_dirs is None:
            return None
        return tuple(expand_path(text, working_dir=working_dir, home=home) for text in self.allowed_dirs)

    def endpoint(self) -> tuple[str, dict[str, str]]:
        """The API's address without its query, and the query, which Azure's addresses may have, for every request."""
        address, _, query = (self.base_url or DEFAULT_BASE_URL).partition("?")
        return address.rstrip("/"), dict(parse_qsl(query, keep_blank_values=True))

    def database_address(self) -> Address:
        """The address in `GPT_IMAGE_2_DATABASE_URL`; None if it is `sqlite://` (memory only) or unset."""
        text = "" if self.database_url is None else self.database_url.get_secret_value()
        if text.startswith("postgres"):
            return _postgres_url(text)
        path = text.removeprefix("sqlite://")[1:]
        return Path(path) if path else None

    def model_for(self, request: "PricedOptions") -> str:
        """The image model of a request: the one that it names, or the setting's.

        Raises:
            BadRequest: `GPT_IMAGE_2_ALLOWED_MODELS` is set, and the request's model is not in it.

        """
        model = request.model or self.model
        allowed = (self.model, *self.allowed_models)
        if self.allowed_models and model not in allowed:
            names = " or ".join(map(repr, dict.fromkeys(allowed)))
            raise BadRequest(
                f"`model` must be {names}, as GPT_IMAGE_2_ALLOWED_MODELS says; got {shown(model)}. Nothing was sent."
            )
        return model

    @property
    def confirm_limit(self) -> Decimal | None:
        """The dollars above which the person is asked before a call; None if a person need not be asked.

        Where nothing is set that bounds the spending, that is `UNASKED_USD`.
        """
        if self.sandbox:
            return None
        if self.confirm_over_usd is None and self.budget_per_call_usd is self.budget_per_day_usd is None:
            return UNASKED_USD
        return self.confirm_over_usd

    @property
    def must_confirm(self) -> bool:
        """Whether a call above `confirm_limit` is refused where the person cannot be asked."""
        return self.confirm_over_usd is not None

    def is_asked_about(self, usd: Decimal | None) -> bool:
        """Whether the person is asked before a call that costs `usd` dollars; None where the price is not known."""
        if self.confirm_limit is None:
            return False
        return self.must_confirm if usd is None else usd > self.confirm_limit

    def require_key(self) -> None:
        """Check that pictures can be made: all values are right, and there is the sandbox, a key or a place of one.

        Raises:
            NotConfigured: a value is wrong, or the key is missing.

        """
        self.require_valid()
        if self.api_key is None and self._key_source is None and not self.sandbox:
            raise NotConfigured(
                "OPENAI_API_KEY is not set, so no picture can be made. Make a key at"
                " https://platform.openai.com/api-keys. For an MCP client, put it into the `env` block of this server's"
                " entry in the client's configuration and restart the client, since the shell's environment does not"
                " reach it; in a terminal, export it. OPENAI_API_KEY_FILE can name a file that holds it instead. To try"
                " without a key, add --sandbox to the server's `args` or to the command."
            )

    def load_key(self) -> str | None:
        """The API key; None if there is none. Blocks, if it is read from a file or the keyring for the first time.

        Raises:
            NotConfigured: it cannot be read from there.

        """
        if self.sandbox or self._key_source is None:
            return self._known_key
        return self._key_source.load()

    @property
    def is_key_loaded(self) -> bool:
        """Whether `load_key` answers at once."""
        return self.sandbox or self._key_source is None or self._key_source.loaded is not None

    @property
    def _known_key(self) -> str | None:
        """The key, as far as it was read: a key that was not read yet is in no text."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return self._key_source.loaded if self._key_source else None

    def redact(self, text: str) -> str:
        """Redact the API key, in whole or in part, and the passwords of addresses in a text; see `redaction`."""
        database = self.database_address()
        if isinstance(database, PostgresUrl):
            text = database.redact(text)
        text = redact_password(text, *url_secrets(self.base_url or ""))
        key = self._known_key
        return text if key is None else redact_key(text, key)

    def redact_bytes(self, content: bytes) -> bytes:
        """Redact the API key and the secrets of OPENAI_BASE_URL in the bytes of an answer that is kept as it came."""
        for secret in url_secrets(self.base_url or ""):
            content = content.replace(secret.encode(), b"[the password]")
        key = self._known_key
        return content if key is None else redact_key_bytes(content, key)

    @classmethod
    def holds_secret(cls, variable: str, value: str) -> bool:
        """Whether the value may hold the key, or a base URL's or a database's password."""
        return bool(
            # Some put the key itself where its file is to be named.
            variable in {"OPENAI_API_KEY", "OPENAI_API_KEY_FILE"}
            or (variable == "OPENAI_BASE_URL" and "@" in value)
            or (variable == "GPT_IMAGE_2_DATABASE_URL" and re.search(r"@|postgres|pass|pwd", value, re.IGNORECASE))
        )


_postgres_url = lru_cache(maxsize=8)(PostgresUrl)
"""Texts are redacted all the time, and taking an address apart takes longer than that."""
