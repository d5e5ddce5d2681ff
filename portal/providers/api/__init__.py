"""JSON of consultants, earnings, accounts and payouts."""
