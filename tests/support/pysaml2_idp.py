"""``python pysaml2_idp.py PORT FOLDER``: a SAML identity provider over pysaml2 (saml2.server.Server, xmlsec1) with a skin of Flask."""

import json
import logging
import os
import sys
from pathlib import Path

from flask import Flask, redirect, request, session
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, config, server
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.metadata import entity_descriptor
from saml2.saml import NameID

EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
SHA256, RSA_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
NAMES = {"uid": "uid", "mail": "email", "givenName": "firstName", "sn": "lastName", "displayName": "displayName", "groups": "groups"}
FORM = (
    "<html><form method=post action=/login><input name=username><input type=password name=password><button>Sign in</button></form></html>"
)


def _identity_provider(base: str, folder: Path) -> server.Server:
    (folder / "maps").mkdir(exist_ok=True)
    (folder / "maps/basic.py").write_text(
        f"MAP = {{'identifier': {BASIC!r}, 'fro': {dict(zip(NAMES, NAMES, strict=True))!r}, 'to': {NAMES!r}}}\n"
    )
    both = [BINDING_HTTP_REDIRECT, BINDING_HTTP_POST]
    settings = {
        "entityid": f"{base}/metadata",
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "attribute_map_dir": str(folder / "maps"),
        "key_file": str(folder / "cert/idp.key"),
        "cert_file": str(folder / "cert/idp.crt"),
        "metadata": {"local": [str(path) for path in sorted((folder / "metadata").glob("sp*.xml"))]},
        "accepted_time_diff": 60,
        "service": {
            "idp": {
                "name": "pysaml2",
                "sign_response": True,
                "sign_assertion": True,
                "want_authn_requests_signed": True,
                "signing_algorithm": RSA_SHA256,
                "digest_algorithm": SHA256,
                "name_id_format": [EMAIL],
                "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None, "name_form": BASIC}},
                "endpoints": {
                    "single_sign_on_service": [(f"{base}/sso", binding) for binding in both],
                    "single_logout_service": [(f"{base}/slo", binding) for binding in both],
                },
            }
        },
    }
    return server.Server(config=config.IdPConfig().load(settings))


class Engine:
    """The identity provider, made anew whenever it is told of another service provider."""

    def __init__(self, base: str, folder: Path) -> None:
        self._base, self._folder, self._made_from, self._made = base, folder, b"", None

    @property
    def now(self) -> server.Server:
        """As it is told now."""
        told = (self._folder / "metadata/sp0.xml").read_bytes()
        if self._made is None or told != self._made_from:
            self._made, self._made_from = _identity_provider(self._base, self._folder), told
        return self._made

    def request(self, values, kind: str):
        """A request that came in an address."""
        parse = self.now.parse_authn_request if kind == "sign-in" else self.now.parse_logout_request
        signature = {"relay_state": values.get("RelayState"), "sigalg": values.get("SigAlg"), "signature": values.get("Signature")}
        return parse(values["SAMLRequest"], BINDING_HTTP_REDIRECT, **signature).message

    def answer(self, name: str, person: list, wanted: dict) -> str:
        """A page that posts a signed answer."""
        email, first, last, groups = person
        identity = {"uid": name, "mail": email, "givenName": first, "sn": last, "displayName": f"{first} {last}", "groups": groups}
        made = self.now.create_authn_response(
            identity=identity,
            in_response_to=wanted["to"],
            destination=wanted["acs"],
            sp_entity_id=wanted["sp"],
            name_id=NameID(format=EMAIL, text=email, sp_name_qualifier=wanted["sp"]),
            userid=name,
            authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": self._base},
            sign_response=True,
            sign_assertion=True,
        )
        return self.now.apply_binding(BINDING_HTTP_POST, str(made), wanted["acs"], wanted["relay"], response=True)["data"]

    def logout_answer(self, message, relay_state: str) -> str:
        """Where a signed answer to a logout request goes."""
        made = self.now.create_logout_response(message, [BINDING_HTTP_REDIRECT])
        target = self.now.pick_binding("single_logout_service", [BINDING_HTTP_REDIRECT], "spsso", entity_id=message.issuer.text)[1]
        sent = self.now.apply_binding(BINDING_HTTP_REDIRECT, str(made), target, relay_state, response=True, sign=True, sigalg=RSA_SHA256)
        return dict(sent["headers"])["Location"]


def _app(port: int, folder: Path) -> Flask:
    people = json.loads((folder / "people.json").read_text())
    engine = Engine(f"http://127.0.0.1:{port}", folder)
    app = Flask("pysaml2-idp")
    app.secret_key = os.urandom(16)
    app.config["SESSION_COOKIE_NAME"] = f"pysaml2_{port}"

    @app.get("/metadata")
    def metadata():
        return str(entity_descriptor(engine.now.config)), 200, {"Content-Type": "application/samlmetadata+xml"}

    @app.get("/sso")
    def sso():
        values = request.args
        if "SAMLRequest" in values:
            found = engine.now.response_args(engine.request(values, "sign-in"), [BINDING_HTTP_POST])
            wanted = {"sp": found["sp_entity_id"], "to": found["in_response_to"], "acs": found["destination"]}
        else:
            acs = engine.now.pick_binding("assertion_consumer_service", [BINDING_HTTP_POST], "spsso", entity_id=values["sp"])[1]
            wanted = {"sp": values["sp"], "to": None, "acs": acs}
        session["wanted"] = {**wanted, "relay": values.get("RelayState", "")}
        name = session.get("name")
        return engine.answer(name, people[name], session["wanted"]) if name else FORM

    @app.post("/login")
    def login():
        name = request.form["username"]
        if name not in people or request.form["password"] != f"{name}pass":
            return "wrong password", 401
        session["name"] = name
        return engine.answer(name, people[name], session["wanted"])

    @app.get("/slo")
    def slo():
        if "SAMLRequest" not in request.args:
            return "done"
        message = engine.request(request.args, "logout")
        session.clear()
        return redirect(engine.logout_answer(message, request.args.get("RelayState", "")))

    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    _app(int(sys.argv[1]), Path(sys.argv[2])).run("127.0.0.1", int(sys.argv[1]), threaded=False)
