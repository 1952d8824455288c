"""The types of the settings' values: what each may be, in the words of the error about a wrong one."""

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from .credentials.api_key import is_key
from .database.url import PostgresUrl
from .errors import BadRequest
from .paths.policy import expand_path
from .paths.written_folder import first_variable


def _check_key(key: SecretStr) -> SecretStr:
    if not is_key(key.get_secret_value()):
        raise ValueError(
            "a key of printable ASCII characters without spaces and quotes (was more copied than the key?)"
        )
    return key


def check_http_url(url: str) -> str:
    """A URL of http or https without a slash at its end; raises ValueError."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValueError("an http:// or https:// URL, such as https://api.openai.com/v1")
    return url.rstrip("/")


def _check_id(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", text):
        raise ValueError("an id of at most 200 printable ASCII characters without spaces")
    return text


def _check_model_name(text: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,200}", text):
        raise ValueError("a model's name of at most 200 characters")
    return text


ApiKey = Annotated[SecretStr, AfterValidator(_check_key)]
HttpUrl = Annotated[str, AfterValidator(check_http_url)]
AccountId = Annotated[str, AfterValidator(_check_id)]
ModelName = Annotated[str, AfterValidator(_check_model_name)]


def _check_folder(text: str) -> str:
    if variable := first_variable(text):
        raise ValueError(f"a folder's path, and the variable {variable} in it is not set")
    try:
        expand_path(text, working_dir=Path("/"), home=Path("/"))
    except BadRequest as error:
        raise ValueError(f"a folder's path ({error})") from None
    return text


def _check_file(text: str) -> str:
    if not text.startswith("~/") and not Path(text).is_absolute():
        raise ValueError("a file's full path, or one that begins with ~/")
    return text


def _split_paths(text: object) -> object:
    return tuple(part for part in text.split(os.pathsep) if part.strip()) if isinstance(text, str) else text


def split_commas(text: object) -> object:
    """The parts of a text, for a list of values."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _check_host(text: str) -> str:
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", text):
        raise ValueError("a list of hosts such as images.example.com or 127.0.0.1:8080, separated by commas")
    return text.lower()


def _check_database_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if not re.fullmatch(r"sqlite://(/[^?#\x00-\x1f]+)?", text):
        try:
            PostgresUrl(text)
        except ValueError as error:
            raise ValueError(
                "sqlite:// (memory only), sqlite:/// and the path of a file, such as sqlite:////srv/images.db, or"
                f" {error}"
            ) from None
    return url


KeyFile = Annotated[str, AfterValidator(_check_file)]
Folder = Annotated[str, AfterValidator(_check_folder)]
PathList = Annotated[tuple[Folder, ...], BeforeValidator(_split_paths)]
ModelNames = Annotated[tuple[ModelName, ...], BeforeValidator(split_commas)]
HostList = Annotated[tuple[Annotated[str, AfterValidator(_check_host)], ...], BeforeValidator(split_commas)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]
Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
