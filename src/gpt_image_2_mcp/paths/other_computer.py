"""What is said to a person at another computer than this server: what they can give, and what they cannot do.

Where a call names a file or a folder, nothing is looked up before: not even whether such a file exists is told. What
the rest of the program says of paths, it says to somebody at this computer. `reworded` and `described` say it to the
others, whose way in is an address, an id or `upload_link`, and whose way out is a link. `operators_part` says whose
business the settings and commands in a text are.
"""

import re
from collections.abc import Mapping
from typing import Final

from ..errors import shown

_UPLOAD: Final = "send the file with upload_link"

IN_ANSWERS: Final = {
    "give a file's path, an http(s) URL or a data URL": f"give an http(s) URL or a data URL, or {_UPLOAD}",
    "give the whole of it, or the path of a file": f"give the whole of it, or {_UPLOAD}",
    "Check the URL, or give a file's path instead": f"Check the URL, or {_UPLOAD}",
    "give the path of a file, or another URL": f"give another URL, or {_UPLOAD}",
    "check the link, or give the path of a saved copy": f"check the link, or save the picture and {_UPLOAD}",
    "Give the path of a file instead; a person can": "Use upload_link instead; whoever runs this server can",
    ". A person can allow": ". Whoever runs this server can allow",
    "with its id or path in `images`": "with it in `images`",
    "list_images, or `gpt-image-2-mcp library list`, finds": "list_images finds",
    "for a file, give its path": "for a file, use upload_link",
    " A file called last is './last'.": "",
    "a picture that was made here or a file on this computer": "a picture that was made here or uploaded",
    " If its folder was moved, `gpt-image-2-mcp library rebuild FOLDER` finds it again.": "",
    ", or the catalogue is new: `gpt-image-2-mcp library rebuild FOLDER` takes in earlier pictures": "",
    "that goes into `output_dir`, and `to` says only what is made": "leave it out, `to` says only what is made",
    "Make room, or choose another folder with `output_dir` or GPT_IMAGE_2_OUTPUT_DIR": "The server needs room there",
    "Choose another one with `output_dir` or GPT_IMAGE_2_OUTPUT_DIR": "Tell whoever runs this server",
    "Give another `output_dir`, or leave it out and have GPT_IMAGE_2_OUTPUT_DIR name a folder that can be": (
        "Tell whoever runs this server"
    ),
    "Make room or set GPT_IMAGE_2_OUTPUT_DIR to a folder that can be written": "Tell whoever runs this server",
    "in the client's configuration, then restart the client": "in the environment of this server",
    "in the client's configuration": "in the environment of this server",
    "list_images finds it, or the output folder has it": "list_images finds it",
}
"""What is said in answers and errors, in place of what is said at this computer."""
IN_DESCRIPTIONS: Final = {
    # Of tools and their parameters.
    "each file's path (tell the person, who": "a link to each file (give it to the person, who",
    "each file's path and bytes": "a link to the files, their bytes",
    "cost, prompt and path of each": "cost and prompt of each; show_image gives a link",
    "ask for a path or URL": "use upload_link",
    "made here or any file:": "made here or uploaded:",
    "Later turns go to the same folder. All chats share sessions": "All chats of the person share sessions",
    "of all chats that": "of all the person's chats that",
    "files stay": "pictures stay",
    "last prompt and file": "last prompt and picture",
    "made here, in any chat,": "the person made here, in any chat,",
    " Replaces no file without `replace`. Free, local.": " Free.",
    "paths (HEIC too), URLs, or made here:": "URLs, upload:ID (HEIC too), or made here:",
    "last sheet, or path": "last sheet, or upload:ID",
    "ids, 'last', numbers, paths": "ids, 'last', numbers, upload:ID",
    # Of prompts and their arguments.
    ": path, URL or picture id": ": URL, upload:ID or picture id",
    "or a path or URL": "or a URL or upload:ID",
    "Tell the person the absolute path of each file, for": "Give the person the link of each picture, for",
    "Tell the absolute path and the cost": "Give the link and tell the cost",
    "images=[PATH": "images=[PICTURE",
    "PATH is the newest file.": "PICTURE is the id of the newest picture.",
    "REFERENCE is the path of what comes.": "REFERENCE is the id of what comes.",
}
"""The same in what the assistant is told of tools and prompts."""

OPERATORS_PART: Final = (
    "Settings (in capitals) and commands of this server are for whoever runs it: tell them, if it has to be changed."
)
_OF_OPERATOR: Final = re.compile(
    r"\b(?:GPT_IMAGE_2|OPENAI|SSL|NODE|REQUESTS|HTTPS?|AWS|AZURE|GOOGLE)_[A-Z0-9_]*[A-Z]\b|`gpt-image-2-mcp "
)


def reworded(text: str) -> str:
    """An answer or an error for a person at another computer."""
    return _replaced(text, IN_ANSWERS)


def described(text: str) -> str:
    """A description of a tool or a prompt, or of a part of it, for the assistant of such a person."""
    return _replaced(text, IN_DESCRIPTIONS)


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for here, there in words.items():
        text = text.replace(here, there)
    return text


def operators_part(text: str) -> str | None:
    """Who can do what a text asks for, if it names a setting or a command of this server."""
    return OPERATORS_PART if _OF_OPERATOR.search(text) else None


def file_refusal(reference: str) -> str:
    """The refusal to read a file by its path."""
    return (
        "This server is not on your computer, so it reads no file by its path, and you have no picture that is called"
        f" so; got {shown(reference)}. Give an http(s) address, a picture's id, or upload the file with upload_link."
    )


def list_refusal(reference: str) -> str:
    """The refusal to read a list of what is to be made."""
    return (
        f"This server is not on your computer, so it reads no file by its path; got {shown(reference)}. Give its lines"
        " in `items`."
    )


def page_refusal() -> str:
    """The refusal to write a page of pictures."""
    return (
        "This server is not on your computer, so it writes no page for your browser there. Leave `as_page` out;"
        " contact_sheet shows the pictures."
    )


def folder_refusal(folder: str) -> str:
    """The refusal to write into a folder that a call names."""
    return (
        f"This server is not on your computer, so it writes into no folder that a call names; got {shown(folder)}."
        " Leave the folder out, and fetch the files by the links in the answer."
    )
