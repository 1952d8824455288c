"""Checks of the settings: what is set wrong, and what is set in a way that surprises people."""

import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import NotConfigured
from ..settings import Settings
from .finding import Finding, green, red, yellow

USUAL_TIMEOUT_S = 60
"""Seconds after which many clients give up a call."""


def check_settings(settings: Settings, key_from: str) -> Iterator[Finding]:
    """The variables, and where the key is; `key_from` says whose environment the settings are from."""
    for problem in settings.problems:
        yield red("settings", problem, "Correct the variable where it is set.")
    if not settings.problems:
        debug = "; GPT_IMAGE_2_MCP_DEBUG writes to stderr what happens" if settings.debug else ""
        yield green("settings", f"every variable that is set has a right value{debug}")
    yield _check_key(settings, key_from)
    yield _check_waiting(settings)
    yield _check_answers(settings)
    yield _check_inputs(settings)
    yield _check_budget(settings)


def _check_key(settings: Settings, key_from: str) -> Finding:
    if settings.sandbox:
        return green("key", "the sandbox needs none")
    valid = settings.model_copy(update={"problems": ()})
    try:
        valid.require_key()
        valid.load_key()
    except NotConfigured as error:
        return red("key", str(error).partition(". ")[0], "Run `gpt-image-2-mcp install`, which asks for it.")
    return green("key", f"there is one, {key_from}")


def _check_waiting(settings: Settings) -> Finding:
    wait = settings.max_wait_s
    if wait == 0 or wait >= USUAL_TIMEOUT_S:
        how = "as long as it takes" if wait == 0 else f"{wait:g} s"
        way_out = "Set GPT_IMAGE_2_MAX_WAIT_S below the limit of your client, which is often 60 s."
        return yellow("waiting", f"a call waits {how} for its picture", way_out)
    return green("waiting", f"a call answers after {wait:g} s at the latest")


def _check_answers(settings: Settings) -> Finding:
    if settings.inline == "none":
        return yellow("answers", "GPT_IMAGE_2_INLINE=none: they show no picture", "Unset it to see previews.")
    if settings.partial_images:
        way_out = "Unset GPT_IMAGE_2_PARTIAL_IMAGES if the backend fails to stream pictures."
        if settings.base_url:
            return yellow("answers", "unfinished pictures are asked for, which not every proxy can stream", way_out)
    return green("answers", "they show the picture itself" if settings.inline == "full" else "they show a preview")


def _check_inputs(settings: Settings) -> Finding:
    folders = settings.allowed_folders(Path.cwd(), Path.home())
    if folders is None:
        return green("inputs", "pictures are read wherever they lie; in hidden folders and caches you are asked first")
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        return yellow("inputs", f"there is no folder {missing[0]}", "Correct GPT_IMAGE_2_ALLOWED_DIRS, or make it.")
    return green("inputs", f"pictures are read in {', '.join(map(str, folders))} only")


def _check_budget(settings: Settings) -> Finding:
    limits = {
        "a call": settings.budget_per_call_usd,
        "a day": settings.budget_per_day_usd,
        "a call without asking you": settings.confirm_over_usd,
    }
    zero = [what for what, limit in limits.items() if limit == 0 and what != "a call without asking you"]
    if zero:
        return red("budget", f"$0 for {zero[0]}: every picture is refused", "Raise or unset the GPT_IMAGE_2_BUDGET_….")
    texts = [f"${limit:f} for {what}" for what, limit in limits.items() if limit is not None]
    return green("budget", ", ".join(texts) or "no limit is set (GPT_IMAGE_2_BUDGET_PER_DAY_USD)")


def end_with_client(settings: Settings) -> str:
    """What becomes of a picture under way when the client is closed."""
    if sys.platform == "linux" and settings.engine:
        return "a picture under way is finished when the client is closed"
    return "close clients when their pictures are there: most kill the server after four seconds"
