"""In CI on Linux, where a test has all that it needs, a test that is skipped is one that fails.

A strict `xfail` may stay: it fails by itself once its test passes.
"""

import os
import sys
from collections.abc import Generator

import pytest

STRICT = sys.platform == "linux" and os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    mark = item.get_closest_marker("xfail")
    is_strict_xfail = hasattr(report, "wasxfail") and mark is not None and mark.kwargs.get("strict", True)
    if STRICT and report.skipped and not is_strict_xfail:
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself."""
    report = yield
    if STRICT and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
    report.outcome = "failed"
    report.longrepr = f"In CI no test may be skipped. {reason}"
    if isinstance(report, pytest.TestReport) and hasattr(report, "wasxfail"):
        del report.wasxfail
