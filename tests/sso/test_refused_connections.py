"""Identity providers that can't be used, by metadata, by its URL or by hand: each refused with a sentence, and nothing changed."""

import socket
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from portal.gateways import metadata as gateway
from portal.gateways.metadata import FetchFailed
from tests.sso.test_connections import by_hand, calling
from tests.support.identity_provider import Provider
from tests.support.loopback import serving

NOW = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def acme(fortress):
    """Acme, to which nothing of this happens."""
    return fortress


@pytest.fixture(scope="module")
def owner(acme):
    """The owner, signed in; with the API's base."""
    return calling(acme)


def test_our_metadata_has_our_certificate_for_both_uses_and_both_logouts(acme):
    answer = acme.app.test_client().get(f"{acme.path}/metadata")
    assert answer.content_type.startswith("application/samlmetadata+xml")
    text = answer.text
    assert ('use="signing"' in text, 'use="encryption"' in text, text.count("SingleLogoutService")) == (True, True, 2)
    assert "validUntil" not in text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"entryPoint": "http://x.test/sso"}, "entryPoint"),
        ({"entryPoint": "javascript:alert(1)"}, "entryPoint"),
        ({"entryPoint": "nonsense"}, "entryPoint"),
        ({"sloUrl": "http://x.test"}, "sloUrl"),
        ({"cert": "nonsense"}, "certificates"),
        ({"cert": []}, "certificates"),
        ({"cert": ""}, "certificates"),
    ],
)
def test_what_is_wrong_by_hand_is_said(owner, changes, field):
    answer = owner("POST", "", by_hand(**changes))
    assert (answer.status_code, list(answer.json["details"])) == (400, [field]), answer.text


def test_a_weak_key_is_refused(owner):
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is the point
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    weak = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9)).sign(key, hashes.SHA256())
    answer = owner("POST", "", by_hand(cert=weak.public_bytes(serialization.Encoding.PEM).decode()))
    assert (answer.status_code, "too weak" in str(answer.json["details"])) == (400, True)


WHOLE = Provider().metadata()
WRONG_METADATA = {
    "nothing": "x",
    "not SAML": "<a/>",
    "a document type": WHOLE.replace("<md:Entity", "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><md:Entity", 1),
    "two providers": f'<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">{WHOLE}{WHOLE}</md:EntitiesDescriptor>',
    "no certificate": WHOLE.replace("X509Certificate", "X509Crl"),
    "no redirect": WHOLE.replace("HTTP-Redirect", "HTTP-POST"),
    "plain http": WHOLE.replace("https://idp.acme.test/sso", "http://idp.acme.test/sso"),
    "over": Provider().metadata(valid_until="2020-01-01T00:00:00Z"),
    "no date": Provider().metadata(valid_until="soon"),
    "a broken certificate": WHOLE.replace("<ds:X509Certificate>M", "<ds:X509Certificate>!"),
    "us": None,
}


@pytest.mark.parametrize("what", list(WRONG_METADATA))
def test_metadata_that_cannot_be_used_is_refused_with_a_sentence(acme, owner, what):
    xml = WRONG_METADATA[what] or acme.app.test_client().get(f"{acme.path}/metadata").text
    answer = owner("POST", "", {"providerId": "w", "metadataXml": xml})
    assert (answer.status_code, answer.json["code"]) == (400, "METADATA_INVALID"), answer.text
    assert answer.json["details"]["metadataXml"][0].endswith(".")


PRIVATE = [
    "https://localhost/",
    "https://127.0.0.1/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[64:ff9b::7f00:1]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://224.0.0.1/",
]


@pytest.mark.parametrize(
    "url", [*PRIVATE, "http://example.com/", "file:///etc/passwd", "gopher://x/", "https://", "x", "https://u:p@x.test/", "https://x y/"]
)
def test_metadata_urls_that_lead_inside_are_never_asked(acme, owner, url):
    answer = owner("POST", "", {"providerId": "w", "metadataUrl": url})
    assert (answer.status_code, answer.json["code"]) == (400, "METADATA_UNREACHABLE"), answer.text


def test_a_name_with_one_private_address_among_others_is_not_asked(monkeypatch, app):
    def both(*_arguments, **_keywords):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with app.app_context(), pytest.raises(FetchFailed, match="private address"):
        gateway.fetch("https://rebinding.test/", allow_local=False)


def test_a_redirect_to_a_private_address_is_not_followed(monkeypatch, app):
    """The first hop is let through as if it were public; the second passes the same check."""
    asked = []
    real = gateway._checked_address

    def first_is_public(host, port, *, allow_local):
        asked.append(host)
        return real(host, port, allow_local=len(asked) == 1)

    monkeypatch.setattr(gateway, "_checked_address", first_is_public)
    with serving(lambda _asked: (302, b"")) as server:
        monkeypatch.setattr(gateway, "_read", lambda *_a, **_k: "http://127.0.0.1:1/")
        with app.app_context(), pytest.raises(FetchFailed):
            gateway.fetch(server.url, allow_local=True)
    assert len(asked) == 2


def fetch(app, url: str) -> bytes:
    with app.app_context():
        return gateway.fetch(url, allow_local=True)


def test_what_is_fetched_is_at_most_a_megabyte(app):
    with serving(lambda _asked: (200, b"x" * 1_000_001)) as server, pytest.raises(FetchFailed, match="larger than 1 MB"):
        fetch(app, server.url)


def test_an_answer_that_is_no_200_is_said(app):
    with serving(lambda _asked: (404, b"")) as server, pytest.raises(FetchFailed, match="404"):
        fetch(app, server.url)


def test_a_server_that_drips_is_given_up(app, monkeypatch):
    monkeypatch.setattr(gateway, "SECONDS", 1)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def drip():
            peer, _address = listening.accept()
            with peer:
                try:
                    for _byte in range(100):
                        peer.sendall(b"HTTP/1.1 200 OK\r\n" if not _byte else b"X: y\r\n")
                        time.sleep(0.1)
                except OSError:
                    pass

        thread = Thread(target=drip)
        thread.start()
        with pytest.raises(FetchFailed):
            fetch(app, f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()


@pytest.mark.parametrize(
    "body",
    [
        {"groupRoles": {"bosses": "ORG_OWNER"}},
        {"groupRoles": {"experts": "ORG_CONSULTANT"}},
        {"attributeNames": {"shoeSize": "x"}},
        {"preset": "acme"},
        {"metadataXml": WHOLE, "samlConfig": by_hand()["samlConfig"]},
        {"unknown": 1},
    ],
)
def test_changes_that_make_no_sense_are_refused(acme, owner, body):
    assert owner("PATCH", "/idp", body).status_code == 400
    assert acme.connection().group_roles == {}
