"""Real identity providers, independently written, on loopback: SimpleSAMLphp (Debian's package, PHP's own server) and pysaml2.

Both know alice (engineering, admins), bob (sales) and mallory, whose address is in another company's domain.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.identity_provider import key_pair
from tests.support.loopback import free_port

SSP = Path("/usr/share/simplesamlphp")
EMAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PEOPLE = {
    "alice": ("alice@acme.test", "Alice", "Archer", ["engineering", "admins"]),
    "bob": ("bob@acme.test", "Bob", "Baker", ["sales"]),
    "mallory": ("ceo@victim.test", "Mal", "Lory", ["sales"]),
}
SECONDS = 60
NOBODY = (
    b'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://nobody.test/">'
    b'<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService index="0" '
    b'Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://nobody.test/acs"/></md:SPSSODescriptor></md:EntityDescriptor>'
)


@dataclass
class RealIdp:
    """A running identity provider.

    Attributes:
        folder: Its own files; metadata of service providers goes to ``metadata/spN.xml`` before the first one is asked for.
    """

    name: str
    port: int
    folder: Path
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def metadata_url(self) -> str:
        """Where it publishes its metadata."""
        return f"{self.url}/saml2/idp/metadata.php" if self.name == "simplesamlphp" else f"{self.url}/metadata"

    def start_url(self, entity_id: str) -> str:
        """Where a sign-in starts at the identity provider itself."""
        path = "/saml2/idp/SSOService.php?spentityid=" if self.name == "simplesamlphp" else "/sso?sp="
        return f"{self.url}{path}{entity_id}"

    def know(self, metadata: bytes) -> None:
        """Is told of a service provider."""
        (self.folder / "metadata" / "sp0.xml").write_bytes(metadata)

    def start(self) -> None:
        """Starts, and waits until it answers."""
        command, environment, folder = COMMANDS[self.name](self)
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.words()
            assert time.monotonic() < end, self.words()
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it with its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)  # it has nothing to keep, and PHP's workers are slow to go
            self.process.wait(timeout=20)
            self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.metadata_url, timeout=5) as answer:  # noqa: S310 - our own address
                return bool(answer.read())
        except OSError:
            return False

    def words(self) -> str:
        """What it wrote last."""
        return (self.folder / "log.txt").read_text(errors="replace")[-3000:]


@contextmanager
def simplesamlphp(folder: Path, *, encrypts: bool = False) -> Iterator[RealIdp]:
    """SimpleSAMLphp: signs responses and assertions, and encrypts assertions if it is told to."""
    yield from _running(_simplesamlphp(RealIdp("simplesamlphp", free_port(), folder), encrypts=encrypts))


@contextmanager
def pysaml2(folder: Path) -> Iterator[RealIdp]:
    """pysaml2 with xmlsec1, another XML stack. It doesn't encrypt."""
    idp = RealIdp("pysaml2", free_port(), folder)
    _folders(idp, "metadata")
    (folder / "people.json").write_text(json.dumps(PEOPLE))
    idp.know(NOBODY)
    yield from _running(idp)


def _running(idp: RealIdp) -> Iterator[RealIdp]:
    try:
        idp.start()
        yield idp
    finally:
        idp.stop()


def _folders(idp: RealIdp, *names: str) -> None:
    for name in (*names, "cert"):
        (idp.folder / name).mkdir(parents=True, exist_ok=True)
    certificate, key = key_pair(idp.name)
    (idp.folder / "cert/idp.crt").write_text(certificate)
    (idp.folder / "cert/idp.key").write_text(key)


def _simplesamlphp(idp: RealIdp, *, encrypts: bool) -> RealIdp:
    _folders(idp, "config", "metadata", "log", "data", "temp", "sess")
    folder, port = idp.folder, idp.port
    people = ",".join(
        f"'{name}:{name}pass'=>['uid'=>['{name}'],'email'=>['{email}'],'firstName'=>['{first}'],'lastName'=>['{last}'],"
        f"'displayName'=>['{first} {last}'],'groups'=>{groups!r}]"
        for name, (email, first, last, groups) in PEOPLE.items()
    )
    config = f"""<?php $config = [
 'baseurlpath'=>'{idp.url}/','certdir'=>'{folder}/cert/','loggingdir'=>'{folder}/log/','datadir'=>'{folder}/data/','tempdir'=>'{folder}/temp',
 'metadatadir'=>'{folder}/metadata/',
 'attributenamemapdir'=>'/etc/simplesamlphp/attributemap/',
 'secretsalt'=>'{secrets.token_hex(16)}','auth.adminpassword'=>'{secrets.token_hex(16)}',
 'technicalcontact_name'=>'t','technicalcontact_email'=>'t@acme.test','timezone'=>'UTC','showerrors'=>true,'errorreporting'=>false,
 'logging.level'=>7,'logging.handler'=>'file','admin.checkforupdates'=>false,
 'enable.saml20-idp'=>true,'module.enable'=>['exampleauth'=>true,'core'=>true,'saml'=>true],
 'session.cookie.secure'=>false,'session.cookie.samesite'=>null,'language.cookie.secure'=>false,'session.cookie.name'=>'SSPID{port}',
 'session.phpsession.cookiename'=>'SSP{port}','session.authtoken.cookiename'=>'SSPAT{port}','session.phpsession.savepath'=>'{folder}/sess',
 'store.type'=>'phpsession','language.default'=>'en','language.available'=>['en'],'assertion.allowed_clock_skew'=>180,
 'metadata.sources'=>[['type'=>'flatfile'],['type'=>'xml','file'=>'{folder}/metadata/sp0.xml']],'metadata.sign.enable'=>false,
 'authproc.idp'=>[40=>['class'=>'saml:AttributeNameID','attribute'=>'email','Format'=>'{EMAIL}']],
];"""
    hosted = f"""<?php $metadata['__DYNAMIC:1__'] = ['host'=>'__DEFAULT__','privatekey'=>'idp.key','certificate'=>'idp.crt','auth'=>'users',
 'signature.algorithm'=>'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256','saml20.sign.response'=>true,'saml20.sign.assertion'=>true,
 'sign.logout'=>true,'redirect.sign'=>true,'assertion.encryption'=>{"true" if encrypts else "false"},'NameIDFormat'=>'{EMAIL}',
 'attributes.NameFormat'=>'urn:oasis:names:tc:SAML:2.0:attrname-format:basic'];"""
    (folder / "config/config.php").write_text(config)
    (folder / "config/authsources.php").write_text(f"<?php $config = ['users'=>['exampleauth:UserPass',{people}]];")
    (folder / "metadata/saml20-idp-hosted.php").write_text(hosted)
    idp.know(NOBODY)
    return idp


def _php(idp: RealIdp) -> tuple[list[str], dict[str, str], Path]:
    quiet = ["-d", f"session.save_path={idp.folder}/sess", "-d", "error_reporting=22527", "-d", "display_errors=0"]
    command = ["php", *quiet, "-S", f"127.0.0.1:{idp.port}", "-t", str(SSP / "www")]
    return command, {"SIMPLESAMLPHP_CONFIG_DIR": f"{idp.folder}/config", "PHP_CLI_SERVER_WORKERS": "2"}, SSP / "www"


def _python(idp: RealIdp) -> tuple[list[str], dict[str, str], Path]:
    return [sys.executable, str(Path(__file__).with_name("pysaml2_idp.py")), str(idp.port), str(idp.folder)], {}, idp.folder


COMMANDS = {"simplesamlphp": _php, "pysaml2": _python}
