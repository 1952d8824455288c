"""`normalize` reads a call as clients and models write it, and gives the arguments that its request model checks.

Clients that make every parameter required fill in a blank text, an empty list or "null" where nothing is meant; models
write lists as JSON text, pictures as objects, and parameters by the names that other tools have. The rules here hold
for every parameter of every request, so that no tool has rules of its own.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from pydantic import BaseModel

_FREE_TEXTS = frozenset({"prompt", "query"})
"""The parameters in which the word "null" may be meant."""
_NOTHING = frozenset({"", "null", "none", "undefined"})
_PICTURES = frozenset({"images", "image", "mask", "like"})
"""The parameters that name pictures."""
_PICTURE_KEYS = (
    *("path", "url", "image_url", "file", "id", "uri", "data", "source", "image", "b64_json", "file_path"),
    *("file_uri", "fileUri", "file_data", "fileData", "inline_data", "inlineData"),
)
"""The keys under which an object names a picture, in the content types of MCP, of the providers and the frameworks."""
_LINK = re.compile(r"!?\[[^\]\n]*\]\((?P<target>[^\n]+)\)|<(?P<address>[^<>\n]+)>")
"""A link or a picture as Markdown has it: `![fox](fox.png)`, `<fox.png>`."""
_NAME_KEYS = ("filename", "file_name", "name")
"""The keys under which an object names a picture if it has none of `_PICTURE_KEYS`."""
_BOX = re.compile(
    r"(?:box\s+)?([0-9]+)[\s,;]+([0-9]+)[\s,;]+([0-9]+)[\s,;x\N{MULTIPLICATION SIGN}]+([0-9]+)", re.IGNORECASE
)
"""A region with other marks between its numbers."""
_SERVERS_OWN = frozenset({"default", "auto"})
"""Words in `model` for the model of the setting."""
_NUMBER = re.compile(r"(?:#|turn|page|number|no\.?)\s*([0-9]{1,6})", re.IGNORECASE)
"""A number with its noun: "turn 2"."""
_SESSION_ADDRESS = re.compile(r"\s*gpt-image-2://sessions/", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*[,;\n]\s*")
_ONE_OF_SEVERAL = re.compile(
    r"#?[0-9]{1,6}|last|(?![a-z]{2,}:)[^,;\n]+\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif|hei[cf])[\"'`]?", re.IGNORECASE
)
"""What stands between commas where a text names several pictures: no other text has so many ends of file names."""
_MAX_LIST_TEXT = 1_000_000
"""Characters of a list written as text; a longer one is data."""
_MAX_LIST_PARTS = 1_000
"""Signs of JSON in such a text; what they stand for takes hundreds of times their memory."""

OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "images": (
        *("image", "image_path", "image_paths", "image_url", "image_urls", "image_file", "image_files", "input_image"),
        *("input_images", "reference_image", "reference_images", "picture", "pictures", "photo", "photos", "file"),
        *("files", "file_path", "file_paths", "path", "paths", "url", "urls"),
    ),
    "image": ("images", "image_path", "image_id", "picture", "picture_id", "photo", "file", "file_path", "path", "id"),
    "mask": ("mask_image", "mask_path", "mask_file", "mask_url"),
    "like": ("like_id", "similar_to"),
    "prompt": ("text", "description", "instruction", "instructions"),
    "size": ("resolution", "dimensions", "image_size", "aspect", "aspect_ratio", "ratio"),
    "n": ("count", "num_images", "num_pictures", "number_of_images", "number_of_pictures", "num_outputs"),
    "output_format": ("format", "file_format", "image_format", "file_type"),
    "output_compression": ("compression",),
    "output_dir": ("folder", "dir", "directory", "output_folder", "output_directory", "output_path", "save_dir"),
    "filename_prefix": ("name", "file_name", "prefix", "title"),
    "session_id": ("session", "id"),
    "job_id": ("job", "id"),
    "from_turn": ("turn", "turn_number", "back_to", "back_to_turn", "to_turn", "parent_turn"),
    "query": ("search", "words", "keywords", "text", "prompt", "q"),
    "since": ("after", "from", "start", "from_date", "start_date"),
    "until": ("before", "to", "end", "to_date", "end_date"),
    "page": ("page_number",),
    "contact_sheet": ("sheet",),
    "as_page": ("gallery", "html"),
    "region": ("box", "crop", "area"),
    "to": ("targets", "target", "sizes", "size", "formats", "format", "exports"),
    "fit": ("mode", "resize_mode"),
    "replace": ("overwrite", "force"),
    "inputs": ("input_images", "num_inputs", "images", "image"),
}
"""Other usual names of each parameter, which are understood where a request has no parameter of that name."""


def normalize(request: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are meant, under the request's own names; what stands for nothing is left out.

    What is not understood stays as it is, for the request model to refuse.
    """
    given = {name: value for name, value in arguments.items() if not _is_nothing(name, value)}
    read = _with_own_names(request, given)
    if "against" in request.model_fields and "against" not in read:
        read |= _side_by_side(read.get("image"))
    return {name: value for name, value in read.items() if not _is_nothing(name, value)}


def similar_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that an unknown parameter was probably meant to be."""
    names = list(names)
    plain = {_plain(known): known for known in names}
    plain |= {_plain(other): known for known in names for other in OTHER_NAMES.get(known, ()) if other not in plain}
    close = get_close_matches(_plain(name)[:60], plain, n=1, cutoff=0.75)
    return plain[close[0]] if close else None


def _is_nothing(name: str, value: object) -> bool:
    """Whether a value says nothing, so that its parameter counts as left out."""
    if isinstance(value, str):
        word = value.strip().lower()
        return not word if name in _FREE_TEXTS else word in _NOTHING
    if isinstance(value, list | tuple):
        return all(_is_nothing(name, item) for item in cast("list[object]", value))
    return value is None or value == {}


def _with_own_names(request: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is meant by each argument, under the request's own name for it.

    A name that could mean several parameters, or that contradicts another argument, stays as it is.
    """
    fields = {_plain(name): name for name in request.model_fields}
    own = {name: _read_value(request, name, value) for name, value in given.items() if name in request.model_fields}
    for name, value in given.items():
        if name in request.model_fields:
            continue
        meant = fields.get(_plain(name)) or _meant_by(name, fields.values()) or name
        read = _read_value(request, meant, value)
        if own.setdefault(meant, read) != read:
            own[name] = value
    return own


def _meant_by(name: str, fields: Iterable[str]) -> str | None:
    """The field of which this is another name; None where there is none, or several."""
    meant = [field for field in fields if _plain(name) in map(_plain, OTHER_NAMES.get(field, ()))]
    return meant[0] if len(meant) == 1 else None


def _plain(name: str) -> str:
    """A parameter's name without what differs between `output_format`, `outputFormat` and `output-format`."""
    return re.sub(r"[\W_]+", "", name).lower()


def _read_value(request: type[BaseModel], name: str, value: object) -> object:
    if name in {"images", "against"} or (name == "image" and "to" in request.model_fields):
        return _pictures(value)
    if name == "to":
        return _texts(value)
    if name == "items":
        return _items(value)
    if name == "common":
        return _object_text(value)
    if name in _PICTURES:
        return _picture(value)
    if name == "inputs" and isinstance(value, list):
        return len(cast("list[object]", value))
    if name == "region" and isinstance(value, list):
        value = ",".join(map(str, cast("list[object]", value)))
    value = _unwrapped(value)
    if isinstance(value, str):
        value = _read_text(name, value)
    field = request.model_fields.get(name)
    # Where a number has to be given, -1 is the only one that says "none".
    return None if field is not None and field.default is None and value in (-1, "-1") else value


def _read_text(name: str, text: str) -> str | None:
    """The text that is meant for a parameter which has a form of its own; None if it counts as left out."""
    match name:
        case "region" if box := _BOX.fullmatch(text.strip()):
            return ",".join(box.groups())
        case "filename_prefix":
            return re.sub(r"\.(?:png|jpe?g|webp)\s*$", "", text, flags=re.IGNORECASE)
        case "model" if text.strip().lower() in _SERVERS_OWN:
            return None
        case "session_id":
            # Matched at the beginning alone: a search for white space takes time that grows with its square.
            address = _SESSION_ADDRESS.match(text)
            return text[address.end() :] if address else text
        case "from_turn" | "page" if number := _NUMBER.fullmatch(text.strip()):
            return number[1]
        case _:
            return text


def _unwrapped(value: object) -> object:
    """The one value in a list of one, and the text in an object that holds nothing else; any other value as it is."""
    while isinstance(value, list | tuple) and len(cast("list[object]", value)) == 1:
        value = cast("list[object]", value)[0]
    if isinstance(value, dict):
        parts = {key: part for key, part in cast("dict[object, object]", value).items() if key != "type"}
        if parts.keys() == {"text"} and isinstance(parts["text"], str):
            return parts["text"]
    return value  # pyright: ignore[reportUnknownVariableType]


def _texts(value: object) -> object:
    """The list of texts that a value stands for; one text may hold several, parted by semicolons, lines or commas."""
    value = _from_text(value)
    if not isinstance(value, str):
        return value
    texts = [part.strip() for part in re.split(r"[;\n]", value) if part.strip()]
    if len(texts) == 1 and "crop" not in texts[0].lower():
        texts = [part.strip() for part in texts[0].split(",") if part.strip()]
    return texts


def _items(value: object) -> object:
    """The texts of a batch's items: a list of them, or of objects, or one such list as JSON text."""
    read = _json_of(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    if not isinstance(read, list | tuple):
        return [_object_text(read)]
    return [_object_text(item) for item in cast("list[object]", read)]


def _object_text(value: object) -> object:
    """An object as JSON text; anything else as it is."""
    return json.dumps(value) if isinstance(value, dict) else value


def _json_of(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return text


def _pictures(value: object) -> object:
    """The list of pictures that a value stands for: a list, a list in a list, one as text, or a single picture."""
    value = _from_text(value)
    if isinstance(value, str) and len(value) <= _MAX_LIST_TEXT:
        parts = [part for part in _SEPARATOR.split(value.strip()) if part]
        value = parts if parts and all(map(_ONE_OF_SEVERAL.fullmatch, parts)) else value
    if not isinstance(value, list | tuple):
        return value if isinstance(value, bool) else [_picture(value)]
    items = cast("list[object]", value)
    if len(items) == 1 and isinstance(inner := _from_text(items[0]), list):
        return _pictures(cast("object", inner))
    return [_picture(item) for item in items if not _is_nothing("images", item)]


def _picture(value: object) -> object:
    """The text that names a picture, from a text, a number, an object with one of `_PICTURE_KEYS`, or a list of one."""
    read: Any = _from_text(value)
    if isinstance(read, str):
        link = _LINK.fullmatch(read.strip())
        return (link["target"] or link["address"] if link else read).strip()
    if isinstance(read, int | float) and not isinstance(read, bool) and read == read // 1:
        return str(int(read))
    if isinstance(read, list | tuple) and len(cast("list[object]", read)) == 1:
        return _picture(cast("list[object]", read)[0])
    if isinstance(read, dict):
        keys = [key for key in _PICTURE_KEYS if key in read] or [key for key in _NAME_KEYS if key in read]
        found = [cast("dict[str, object]", read)[key] for key in keys]
        return _picture(found[0]) if len(found) == 1 else cast("object", read)
    return cast("object", read)


def _side_by_side(image: object) -> dict[str, object]:
    """Several pictures where one is asked for: the first one, and those that it is compared with."""
    several = _pictures(image)
    several = cast("list[object]", several) if isinstance(several, list) else []
    return {"image": several[0], "against": several[1:]} if len(several) > 1 else {}


def _from_text(value: object) -> object:
    """The list or object that a text holds as JSON, or as Python prints it; any other value as it is."""
    if not isinstance(value, str) or value.strip()[:1] not in {"[", "{"} or len(value) > _MAX_LIST_TEXT:
        return value
    if sum(value.count(sign) for sign in "[{(,:+-") > _MAX_LIST_PARTS:
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found: object = read(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list | dict):
            return cast("object", found)
    return value
