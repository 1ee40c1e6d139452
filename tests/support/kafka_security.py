"""A real Apache Kafka with TLS and SASL listeners, and the certificates for it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kafka_broker import NoBrokerError, own_broker

USER = "watch"
PASSWORD = "pass-5ecret-word"
KEY_PASSWORD = "key-5ecret-word"

_LISTENERS = {
    "PLAINTEXT": "PLAINTEXT",
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "SASL": "SASL_PLAINTEXT",
    "SECURE": "SASL_SSL",
}
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_OAUTH = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
    'unsecuredLoginStringClaim_sub="admin";'
)


@dataclass(frozen=True)
class SecureBroker:
    """Where it listens, and where its certificates are.

    `addresses` has ``PLAINTEXT``, ``TLS``, ``MUTUAL`` (asks for a client's certificate), ``SASL``
    and ``SECURE`` (SASL over TLS).
    """

    addresses: dict[str, str]
    folder: Path

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.pem")


@contextlib.contextmanager
def secure_broker(folder: Path) -> Iterator[SecureBroker]:
    """Start one; certificates go to the folder: ca, server, client, stranger (of another CA)."""
    make_certificates(folder)
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
    }
    for listener in ("sasl", "secure"):
        at = f"listener.name.{listener}"
        properties |= {
            f"{at}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            f"{at}.plain.sasl.jaas.config": f'{_PLAIN} user_{USER}="{PASSWORD}";',
            f"{at}.scram-sha-256.sasl.jaas.config": _SCRAM,
            f"{at}.scram-sha-512.sasl.jaas.config": _SCRAM,
            f"{at}.oauthbearer.sasl.jaas.config": _OAUTH,
        }
    users = [
        argument
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for argument in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
    ]
    with own_broker(_LISTENERS, properties, users) as broker:
        yield SecureBroker(dict(broker.addresses), folder)


def make_certificates(folder: Path) -> None:
    """A CA, a server for 127.0.0.1, a client with an encrypted key, and a stranger."""
    if shutil.which("openssl") is None:
        raise NoBrokerError("no openssl on the PATH")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    for authority in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{authority}.key",
                "-out", f"{authority}.pem", "-subj", f"/CN={authority}", "-days", "2")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, authority in (("server", "ca"), ("client", "ca"), ("stranger", "other")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem",
                "-CAkey", f"{authority}.key", "-CAcreateserial", "-out", f"{name}.pem",
                "-days", "2", "-extfile", "names")  # fmt: skip
        # Kafka reads the key and the certificate from one file.
        both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
        (folder / f"{name}.both.pem").write_text(both)
    openssl("pkcs8", "-topk8", "-in", "client.key", "-out", "client.encrypted.key",
            "-passout", f"pass:{KEY_PASSWORD}")  # fmt: skip
