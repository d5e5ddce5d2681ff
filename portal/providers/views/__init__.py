"""Pages of consultants, earnings, accounts and payouts."""
