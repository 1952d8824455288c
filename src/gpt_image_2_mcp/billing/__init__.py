"""What pictures cost: tokens, prices, estimates, budgets, and the ledger that holds them across processes."""
