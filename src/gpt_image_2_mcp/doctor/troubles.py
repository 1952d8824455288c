"""What people see when something is wrong, and what to do: docs/troubleshooting.md is made of it.

Each row names the check of `doctor` that looks for its cause.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row; `phrase` is a pattern of the error by which a failed call is recognised."""

    seen: str
    way_out: str
    check: str
    phrase: str = ""


TROUBLES: Final = (
    Trouble(
        '"OPENAI_API_KEY is not set", although it is set in your shell',
        "Clients do not pass the shell's environment on. Put the key into the `env` block of the client's "
        "configuration and restart the client.",
        "key",
    ),
    Trouble(
        "The picture is made, but you do not see it",
        "Some clients show pictures from tools to the model only. The answer names the file's path; with "
        "`GPT_IMAGE_2_OUTPUT_DIR` you choose a folder where you look.",
        "answers",
    ),
    Trouble(
        "The studio does not open in the chat",
        "Not every client shows pages of MCP servers (MCP Apps). `gpt-image-2-mcp studio` opens the same page in the "
        "browser.",
        "studio",
    ),
    Trouble(
        '"There is no file …" for a picture that you attached',
        "Attachments stay in the chat. Save the picture and give its path, or its web address.",
        "attachments",
        r"There is no file",
    ),
    Trouble(
        "The call times out in the client",
        "Set `GPT_IMAGE_2_MAX_WAIT_S` below the client's limit. The picture is made in any case, and "
        "`get_image_job` fetches it.",
        "waiting",
    ),
    Trouble(
        '"must be verified"',
        "Verify your organization on OpenAI's settings page. It can take 15 minutes until this has an effect.",
        "calls",
        r"must be verified",
    ),
    Trouble(
        '"moderation refused this"',
        "Change the prompt or the picture. Asking again does not help.",
        "calls",
        r"moderation refused",
    ),
    Trouble(
        '"is larger than … takes"',
        "The pictures of one request are too large for the backend or for a proxy on the way. Send fewer or "
        "smaller ones, or raise the limit there (`client_max_body_size` in nginx).",
        "calls",
        r"is larger than .* takes",
    ),
    Trouble(
        '"has more than … bytes; what came after them is not kept"',
        "The backend sent more than the pictures that were asked for can take. Complete pictures in what was "
        "read are saved, and the rest of that is kept; look at what the backend makes.",
        "calls",
        r"what came after them is not kept",
    ),
    Trouble(
        '"The backend sent … pictures, … were asked for"',
        "One more than was asked for is saved, the others are kept in one file: `gpt-image-2-mcp library "
        "rescue` gets them out of it.",
        "calls",
        r"The backend sent \d+ pictures",
    ),
    Trouble(
        '"The person did not agree to the price" although you clicked *accept*',
        "The client accepted without an answer to the question. Tick *Go ahead*; if the client has no such "
        "box, raise `GPT_IMAGE_2_CONFIRM_OVER_USD`.",
        "budget",
    ),
    Trouble(
        '"OpenAI\'s rate limit was reached"',
        "Wait as long as the message says, make fewer pictures at once, or raise your tier at OpenAI.",
        "calls",
        r"rate limit was reached",
    ),
    Trouble(
        '"The proxy … cannot be reached", "did not connect", "must be the address of a proxy"',
        "Correct the variable that the message names, see [Proxies and "
        "certificates](backends.md#proxies-and-certificates-of-your-network). Nothing was billed.",
        "network",
    ),
    Trouble(
        '"The certificate of … is not known here"',
        "Your company or a virus scanner inspects connections: set `SSL_CERT_FILE` to its certificates (a PEM "
        "file) in the client's `env` block.",
        "network",
    ),
    Trouble(
        "A picture never comes",
        "Ask the assistant to abandon the job: `cancel_image_job` with `abandon`. It is billed, but nothing "
        "waits for it any longer.",
        "calls",
    ),
    Trouble(
        "A picture is lost when the client is closed",
        "Most clients kill the server after four seconds. On Linux the picture is finished all the same, and "
        "`list_images` finds it. Elsewhere, close the client when the picture is there.",
        "calls",
    ),
    Trouble(
        "Azure, a proxy, or another server does not work",
        "See [Azure, proxies and other backends](backends.md).",
        "address",
    ),
    Trouble(
        '"This would cost about …"',
        "The call does not fit your budget. Use the quality or size that the message names, or raise the "
        "variable that it names.",
        "budget",
    ),
    Trouble(
        '"No picture is written to …"',
        "Choose another `output_dir`, or set `GPT_IMAGE_2_OUTPUT_DIR`: a folder that you set yourself is "
        "always allowed.",
        "folder",
    ),
    Trouble(
        '"The folder … cannot take the picture", "nothing was sent or paid"',
        "Its disk has too little room, your quota there is used up, or it cannot be written, and where you "
        "did not name it, neither can the next folder take the picture. Make room, or choose another "
        "`output_dir`. A PNG of 1024x1024 is counted with 3 MB, one in 4K with 25 MB.",
        "room",
    ),
    Trouble(
        '"is not read without the person\'s yes"',
        "The file lies where programs keep pictures: a hidden folder of a home, another user's home, the "
        "cache of a browser or a chat. A client that can ask shows you a question. Otherwise copy the picture "
        "to an ordinary folder, or name its folder in `GPT_IMAGE_2_ALLOWED_DIRS`.",
        "inputs",
    ),
    Trouble(
        '"a new folder cannot be called"',
        "A name that a call makes up is to be plain, since other programs read it later. Take the suggested "
        "one, or make the folder yourself: one that exists may have any name.",
        "folder",
    ),
    Trouble(
        '"The folder … does not answer"',
        "It is on a network drive that is gone. Connect it again, or choose another `output_dir`.",
        "folder",
    ),
    Trouble(
        '"Saved in …, since this could not be written"',
        "The picture is whole, in the folder that is named first.",
        "folder",
    ),
    Trouble(
        "An answer says that the picture may have been billed",
        "The connection broke after the request was sent. Check [OpenAI's usage "
        "page](https://platform.openai.com/usage) before you ask again.",
        "calls",
        r"may have been billed|may have been made and billed",
    ),
    Trouble(
        '"What arrived is kept in …", "The rest of it is kept in …"',
        "The answer broke off or could not be read. `gpt-image-2-mcp library rescue` looks for pictures in "
        "what was kept, see [Answers that are not as OpenAI's](backends.md#answers-that-are-not-as-openais).",
        "calls",
        r"is kept in",
    ),
    Trouble(
        '"The backend failed to stream the picture"',
        "Unset `GPT_IMAGE_2_PARTIAL_IMAGES`: the proxy at `OPENAI_BASE_URL` cannot stream pictures.",
        "answers",
    ),
    Trouble(
        '"It is not in the catalogue yet"',
        "The database is locked, full or cannot be reached. The picture is saved, and what belongs into the "
        "catalogue and the ledger waits in a file `waiting-….jsonl` in the data folder. Make room, or have "
        "the database run again: the next call writes it, also one after a restart.",
        "database",
    ),
    Trouble(
        '"The database has not answered for … s"',
        "Its disk or its server hangs, or another program holds it. Look at these, and restart the server if "
        "it goes on. Pictures that came meanwhile are in their folder.",
        "database",
    ),
    Trouble(
        '"The database … is gone", "is damaged" or "is not a database"',
        "Close all clients, move the file elsewhere if it is there, start again, and run `gpt-image-2-mcp "
        "library rebuild FOLDER` for the folders of your pictures. Pictures and sessions come back; what was "
        "spent is counted from zero.",
        "database",
    ),
    Trouble(
        "The server does not start in a slim container",
        "Install `ca-certificates`: the server trusts the certificates of the system.",
        "network",
    ),
    Trouble(
        '"the backend says: …"',
        "These are the words of OpenAI, or of the server at `OPENAI_BASE_URL`, which the sentence names. They "
        "are its own reason, in whatever form it came; what to do stands outside the quotes.",
        "calls",
        r"says:",
    ),
    Trouble(
        "Something else",
        "Set `GPT_IMAGE_2_MCP_DEBUG=1` and look at what the server writes to stderr; most clients keep it in "
        "a log file.",
        "settings",
    ),
)
"""In the order of the page. What stands first is looked for first."""


def trouble_of(error: str) -> Trouble | None:
    """The row that explains the error of a call."""
    return next((row for row in TROUBLES if row.phrase and re.search(row.phrase, error)), None)
