"""What the operator of a server for a team asks of its database and does in it: people, spending, audit, forgetting."""
