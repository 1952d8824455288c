"""Budgets of a call, of a person and of all people together, which are checked in one transaction."""

from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest
from inline_snapshot import snapshot
from workbench import SMALL, folded, said

from gpt_image_2_mcp.billing.budgets import Budgets, ChargeEntry
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.errors import OverBudget

from .people import ALICE, BOB, replica

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}


async def test_a_refusal_says_whose_budget_it_is_and_what_is_left_and_not_who_has_spent_it(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    team = {"GPT_IMAGE_2_BUDGET_PER_DAY_USD": "0.011"}
    async with replica(team_database, tmp_path, per_person_usd=Decimal("0.007"), **team) as process:
        alice, bob = process.alice, process.bob
        for bench, prompt in ((alice, "a fox"), (alice, "an owl"), (bob, "a hare")):
            await bench.made("generate_image", prompt=prompt, **LOW)
        assert folded(await alice.refused("generate_image", prompt="a cat", **LOW)) == snapshot("""\
This would cost about $0.0033, and $0.0005 is left of your $0.0070 for today: $0.0065 is spent and
$0.0000 under way. Nothing was sent. Ask for less, have whoever runs this server raise the budget,
or wait until tomorrow.\
""")
        assert folded(await bob.refused("generate_image", prompt="a cat", **LOW)) == snapshot("""\
This would cost about $0.0033, and $0.0013 is left of the $0.0110 that all people together have
today. Nothing was sent. Ask for less, have whoever runs this server raise the budget, or wait until
tomorrow.\
""")
        assert folded(said(await bob.call("image_costs", **LOW))) == snapshot("""\
1 picture with gpt-image-2, size 1024x640, quality low: about $0.0037.
It would be refused today: $0.0013 are left of today's budget of all people together
(GPT_IMAGE_2_BUDGET_PER_DAY_USD).
Spent today: $0.0033: gpt-image-2 $0.0033 in 1 call.
Spent since 2026-10-31: $0.0033: gpt-image-2 $0.0033 in 1 call.
Left of your budget for today: $0.0038 of $0.0070 (GPT_IMAGE_2_BUDGET_PER_PERSON_DAY_USD).
Left of today's budget of all people together: $0.0013 of $0.0110 (GPT_IMAGE_2_BUDGET_PER_DAY_USD).\
""")
        assert process.knobs.paid == 3


def test_two_people_on_two_replicas_cannot_overrun_a_budget_together(team_database: PostgresUrl) -> None:
    budgets = Budgets(per_day=Decimal(1), per_person=Decimal("0.7"))
    stores = [open_store(team_database, connections=4) for _ in range(2)]
    reserved = dict.fromkeys((ALICE, BOB), Decimal(0))

    def spend(ledger: Ledger, price: Decimal) -> None:
        while True:
            try:
                ledger.reserve(ChargeEntry("gpt-image-2", SMALL, "low"), estimate=price, budgets=budgets)
            except OverBudget:
                return

    threads = [
        Thread(target=spend, args=(Ledger(store.of(person)), Decimal(price)))
        for store in stores
        for person in (ALICE, BOB)
        for price in ("0.03", "0.02")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for person in reserved:
        reserved[person] = Ledger(stores[0].of(person)).summary().reserved
    team = Ledger(stores[0].of(ALICE)).summary(with_team=True).team
    for store in stores:
        store.close()
    assert team is not None
    assert team.reserved == sum(reserved.values()) > Decimal("0.98") - Decimal("0.02")
    assert team.reserved <= 1
    assert max(reserved.values()) <= Decimal("0.7")
