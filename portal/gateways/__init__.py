"""The outside world: one small module each, and only here."""
