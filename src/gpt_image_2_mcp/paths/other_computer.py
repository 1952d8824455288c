"""What is said where a call names a file or a folder, and the person is at another computer than this server.

Nothing is looked up before: not even whether such a file exists is told.
"""

from ..errors import shown


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
