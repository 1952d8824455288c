"""What pictures cost: tokens, prices, estimates and budgets, and the ledger that all processes share."""
