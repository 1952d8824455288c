"""Reads a file that lists what is to be made: it may be any file, and a model names it."""

from functools import partial

from ..errors import BadRequest, UnreadableSource, shown
from ..paths import denylist
from ..paths.policy import expand_path, real_path
from ..paths.read_policy import ReadPolicy
from ..storage.time_limit import run_in_time
from .local_file import read_picture


def read_list(reference: str, *, policy: ReadPolicy, most: int) -> bytes:
    """Read a file of at most `most` bytes. Blocks: call it in a thread.

    It lies in the working folder, an output folder, or one that the person has named in GPT_IMAGE_2_ALLOWED_DIRS.

    Raises:
        BadRequest: it is larger, or the argument is no path.
        UnreadableSource: it lies elsewhere, whether it exists or not, or may not or cannot be read.

    """
    path = expand_path(reference.strip(), working_dir=policy.working_dir, home=policy.home)
    named = (policy.working_dir, *policy.own_dirs(), *(policy.allowed_dirs or ()))
    # A server that was started in the root of a disk has no working folder of its own.
    folders = [real for folder in named if (real := real_path(folder)).parent != real]
    if not denylist.is_in_any(real_path(path), folders):
        raise UnreadableSource(
            f"{shown(reference)} is not read, whether it exists or not: a list lies in the working folder or an output"
            f" folder ({denylist.describe_folders(folders)}), or in one that a person has named in"
            " GPT_IMAGE_2_ALLOWED_DIRS. Copy it there."
        )

    def check(size: int) -> None:
        if size > most:
            raise BadRequest(f"{shown(reference)} has {size:,} bytes, and a list may have {most:,}: divide it.")

    read = partial(read_picture, path, reference=reference, policy=policy, any_format=True, hold=check)
    try:
        data, real = run_in_time(path.parent, read)
    except TimeoutError as error:
        raise UnreadableSource(f"{shown(reference)} cannot be read: {error.strerror}.") from None
    if not denylist.is_in_any(real, folders):
        raise UnreadableSource(f"{shown(reference)} was replaced while it was being opened: try again.")
    return data
