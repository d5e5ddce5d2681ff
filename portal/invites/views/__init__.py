"""Pages of invitations and of uploaded files."""
