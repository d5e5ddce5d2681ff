"""Single sign-on by SAML 2.0: connections, domains, sign-ins and sign-outs."""
