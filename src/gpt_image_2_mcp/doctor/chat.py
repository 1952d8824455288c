"""Checks of what passes between a person and the chat: the pictures that are shown, and those that are attached."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..install.clients import CLIENTS
from ..install.launch import PACKAGE
from ..install.systems import System
from ..paths import denylist
from ..paths.policy import real_path
from ..paths.read_policy import PASTED
from ..settings import Settings
from ..studio.page import page
from .finding import Finding, green, yellow


def check_chat(settings: Settings, system: System) -> Iterator[Finding]:
    """What answers show, and whether pictures that were pasted into a chat can be read."""
    yield _check_answers(settings, system)
    yield _check_studio()
    yield _check_attachments(settings, system)


def _check_answers(settings: Settings, system: System) -> Finding:
    if settings.inline == "none":
        return yellow("answers", "GPT_IMAGE_2_INLINE=none: they show no picture", "Unset it to see previews.")
    if settings.partial_images:
        way_out = "Unset GPT_IMAGE_2_PARTIAL_IMAGES if the backend fails to stream pictures."
        if settings.base_url:
            return yellow("answers", "unfinished pictures are asked for, which not every proxy can stream", way_out)
    shown = "they show the picture itself" if settings.inline == "full" else "they show a preview"
    terminals = [client.name for client in CLIENTS.values() if client.in_terminal and client.is_here(system)]
    if terminals:
        shown += f"; in a terminal ({', '.join(terminals)}) only the model sees it: open the file that the answer names"
    return green("answers", shown)


def _check_studio() -> Finding:
    """Whether the studio's page is there, and can be shown in the browser."""
    from ..studio.host.serve import listen

    try:
        size = len(page().encode())
        listen(0).close()
    except FileNotFoundError:
        return yellow("studio", "its page is missing from this installation", f"Run `uvx {PACKAGE} install` anew.")
    except OSError as error:
        what = f"it cannot be opened in the browser: this computer's own address does not work ({error.strerror})"
        return yellow("studio", what, "Look at its firewall.")
    where = f"in clients that show pages, and in the browser by `{PACKAGE} studio`"
    return green("studio", f"its page is there ({size / 1000:.0f} kB), {where}")


def _check_attachments(settings: Settings, system: System) -> Finding:
    """Whether the folders in which clients keep pasted pictures can be read; all others keep such pictures inside."""
    folders = {name: system.home / folder for name, folder in PASTED.items() if (system.home / folder).is_dir()}
    allowed = settings.allowed_folders(Path.cwd(), system.home)
    for name, folder in folders.items():
        if not os.access(folder, os.R_OK | os.X_OK):
            return yellow(
                "attachments", f"{folder}, where {name} keeps what you paste, cannot be read", "Correct its mode."
            )
        if allowed is not None and not denylist.is_in_any(real_path(folder), map(real_path, allowed)):
            what = f"GPT_IMAGE_2_ALLOWED_DIRS leaves out {folder}, where {name} keeps what you paste"
            return yellow("attachments", what, "Add it, or save such pictures elsewhere.")
    read = " and ".join(f"{name} ({folder})" for name, folder in folders.items())
    others = "give the path or the web address of a picture; what is attached to a chat stays there"
    return green("attachments", f"what you paste into {read} can be read; elsewhere, {others}" if read else others)
