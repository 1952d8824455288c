"""Checks of the settings: what is set wrong, and what is set in a way that surprises people."""

import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ..errors import NotConfigured
from ..hosted_settings import HostedSettings
from ..settings import Settings
from .finding import Finding, green, red, yellow

OLD_NAMES: Final = {
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_ORGANIZATION": "OPENAI_ORG_ID",
    "OPENAI_KEY": "OPENAI_API_KEY",
    "OPENAI_APIKEY": "OPENAI_API_KEY",
}
"""Variables of other programs and of older releases of OpenAI's SDK, and what they are called today."""
OF_TESTS: Final = ("GPT_IMAGE_2_TEST_", "GPT_IMAGE_2_FAULT_", "GPT_IMAGE_2_FUZZ_", "GPT_IMAGE_2_SOAK_")

USUAL_TIMEOUT_S = 60
"""Seconds after which many clients give up a call."""


def check_settings(settings: Settings, environ: Mapping[str, str], key_from: str) -> Iterator[Finding]:
    """The variables, and where the key is; `key_from` says whose environment the settings are from."""
    for name, meant in unread_variables(environ):
        yield yellow("settings", f"{name} is set, and nothing reads it", f"Set {meant} instead, or remove it.")
    for problem in settings.problems:
        yield red("settings", problem, "Correct the variable where it is set.")
    if not settings.problems:
        debug = "; GPT_IMAGE_2_MCP_DEBUG writes to stderr what happens" if settings.debug else ""
        yield green("settings", f"every variable that is set has a right value{debug}")
    yield _check_key(settings, key_from)
    yield _check_waiting(settings)
    yield _check_inputs(settings)
    yield _check_budget(settings, HostedSettings.read(environ))


def unread_variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variables that are meant for this program and that it does not know, each with the one that may be meant."""
    known = [*Settings.variables(), *HostedSettings.variables()]
    old = [(name, new) for name, new in OLD_NAMES.items() if environ.get(name) and not environ.get(new)]
    unknown = [
        name
        for name in environ
        if name.startswith("GPT_IMAGE_2_") and name not in known and not name.startswith(OF_TESTS)
    ]
    near = ((name, difflib.get_close_matches(name, known, n=1, cutoff=0.75)) for name in sorted(unknown))
    return [*old, *((name, found[0] if found else "a variable of docs/settings.md") for name, found in near)]


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


def _check_inputs(settings: Settings) -> Finding:
    folders = settings.allowed_folders(Path.cwd(), Path.home())
    if folders is None:
        return green("inputs", "pictures are read wherever they lie; in hidden folders and caches you are asked first")
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        return yellow("inputs", f"there is no folder {missing[0]}", "Correct GPT_IMAGE_2_ALLOWED_DIRS, or make it.")
    return green("inputs", f"pictures are read in {', '.join(map(str, folders))} only")


def _check_budget(settings: Settings, hosted: HostedSettings) -> Finding:
    limits = {
        "a call": settings.budget_per_call_usd,
        "a day": settings.budget_per_day_usd,
        "a day of each person": hosted.budget_per_person_day_usd,
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
