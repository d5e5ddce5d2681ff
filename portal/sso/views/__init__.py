"""Pages and SAML endpoints of single sign-on."""
