"""Acts on invitations: single ones, uploaded files, and accepting."""
