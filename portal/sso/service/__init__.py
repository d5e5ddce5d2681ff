"""Acts of single sign-on."""
