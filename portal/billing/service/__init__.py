"""Acts on money: payments, invoices, and their documents."""
