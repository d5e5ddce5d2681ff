"""Why the portal can't start on this machine."""


class CannotStart(Exception):
    """The portal can't start here; the message is a sentence for the person at the keyboard."""
