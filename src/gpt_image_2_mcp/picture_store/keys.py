"""The keys of what is in a picture store: `pictures/<person>/<name>-<random>.<ext>`, and the same for other kinds.

A key is random and never written twice with other bytes, so nothing depends on whether a store refuses to overwrite.
"""

import re
import secrets
from datetime import datetime
from hashlib import sha256
from pathlib import PurePath
from typing import Final, Literal

Kind = Literal["pictures", "shown", "uploads", "forgotten"]
"""Pictures stay. What is shown in answers (sheets, exports, pages), and what people upload, is deleted after a day.
That a person was forgotten is kept until all replicas have seen it."""

MAX_STEM: Final = 150
_KEY: Final = re.compile(r"(?:pictures|shown|uploads|forgotten)/[0-9a-f]{32}/[A-Za-z0-9_][A-Za-z0-9._-]{0,249}")
_NAME: Final = re.compile(r"(.+)-[0-9a-f]{16}(\.[a-z0-9]+)?")
_UPLOAD: Final = re.compile(r"[0-9a-f]{32}")


def person_part(person: str) -> str:
    """The part of a key, or the name of a folder, that stands for a person."""
    return sha256(person.encode()).hexdigest()[:32]


def new_key(kind: Kind, person: str, file_name: str) -> str:
    """A new key for a file of this name, in characters that no store or address treats specially."""
    name = PurePath(file_name)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name.stem)[:MAX_STEM].lstrip("-") or "file"
    suffix = re.sub(r"[^a-z0-9.]", "", name.suffix.lower())
    return f"{kind}/{person_part(person)}/{stem}-{secrets.token_hex(8)}{suffix}"


def forgotten_key(person: str, at: datetime) -> str:
    """A new key that says that a person was forgotten at a time."""
    return new_key("forgotten", person, str(int(at.timestamp())))


def forgotten_of(key: str) -> tuple[str, float]:
    """The person's part of such a key, and the time."""
    _, part, name = key.split("/")
    return part, float(name.partition("-")[0])


def new_upload_id() -> str:
    """A new id of an upload."""
    return secrets.token_hex(16)


def upload_key(person: str, upload_id: str) -> str | None:
    """The key of a person's upload; None if that is no id. Another person's id gives a key that has nothing."""
    return f"uploads/{person_part(person)}/{upload_id}" if _UPLOAD.fullmatch(upload_id) else None


def is_key(text: str) -> bool:
    """Whether a text that came from outside has the form of a key, so that no path leads out of a store."""
    return _KEY.fullmatch(text) is not None


def file_name(key: str) -> str:
    """The name for the file that is fetched: that of the key without its random part."""
    name = key.rpartition("/")[2]
    return "".join(part or "" for part in found.groups()) if (found := _NAME.fullmatch(name)) else name
