"""A charge writes its own row, or none."""

from pathlib import Path

import pytest

from gpt_image_2_mcp.billing.budgets import Budgets
from gpt_image_2_mcp.generation.charges import Charge, PricedRequest
from gpt_image_2_mcp.parameters.options import PricedOptions
from gpt_image_2_mcp.persistence.unit_of_work import Repositories


def charge(job: str) -> Charge:
    return Charge(Budgets(), job, PricedRequest("gpt-image-2", PricedOptions(), text_tokens=8))


def test_a_row_that_was_not_kept_is_nobody_elses(tmp_path: Path) -> None:
    """A disk that is full at the commit takes the row back, and another process takes its number."""
    repositories = Repositories(tmp_path / "x.db", keeps_history=True)
    lost, other = charge("lost"), charge("other")

    def fill_the_disk() -> None:
        with repositories.transaction():
            lost.mark_sent(repositories)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fill_the_disk()
    lost.unmark_sent()
    other.mark_sent(repositories)
    end = lost.failed(may_be_billed=False)
    assert end
    repositories.ledger.end(end, charge=lost.row)
    assert repositories.ledger.summary().reserved > 0, "the other one is under way still"
    repositories.close()
