"""TLS and SASL on a real Apache Kafka, and no secret in anything that is printed or logged."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kafka_broker import NoBrokerError
from kafka_security import KEY_PASSWORD, PASSWORD, USER, SecureBroker, secure_broker

from sensorium.cli import main

SASL = {"username": USER, "password": "${env:KAFKA_PASSWORD}"}
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
#: Every text that must never show.
SECRETS = (PASSWORD, KEY_PASSWORD, "client-5ecret", "wr0ng-5ecret")


def unsecured_token(subject: str = USER, lifetime: int = 600) -> str:
    """A JSON web token without a signature, as Kafka's validator for tests takes it."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now, "exp": now + lifetime})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ) + "."  # fmt: skip


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    try:
        with secure_broker(tmp_path_factory.mktemp("certificates")) as broker:
            yield broker
    except NoBrokerError as error:
        pytest.skip(f"needs Apache Kafka: {error}")


class Command:
    """``sensorium topics describe`` on a connection; notes all that is printed and logged."""

    def __init__(self, folder: Path, capfd: Any, caplog: pytest.LogCaptureFixture) -> None:
        self.folder, self.capfd, self.caplog = folder, capfd, caplog

    def __call__(self, address: str, **connection: Any) -> tuple[int, str]:
        ends = {"plugin": "kafka", "bootstrap_servers": address, "connect_timeout": "8s",
                **connection}  # fmt: skip
        stream = {"modality": "sensor-stats", "config": {"channels": 3, "rate": 50}}
        pipeline = {
            "pipeline": "secured",
            "source": {**ends, "start": "latest"},
            "streams": {"accel": stream},
            "align": {"policy": "window", "size": "1s"},
            "fusion": {"plugin": "mean"},
            "tasks": {"moves": {"type": "classification", "labels": ["yes", "no"]}},
            "sink": {**ends, "topic": "out", "dead_letters": "dead"},
        }
        path = self.folder / "secured.yaml"
        path.write_text(json.dumps(pipeline))
        self.caplog.clear()
        code = main(["--debug", "topics", "describe", str(path)])
        said = self.capfd.readouterr()
        text = said.out + said.err + self.caplog.text
        for secret in (*SECRETS, *self.tokens()):
            assert secret not in text
            assert base64.b64encode(secret.encode()).decode() not in text
        return code, text

    @staticmethod
    def tokens() -> list[str]:
        # Of a token, the payload: it is what an observer would look for.
        return [unsecured_token().split(".")[0]]


@pytest.fixture
def describe(
    tmp_path: Path, capfd: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.setenv("KAFKA_PASSWORD", PASSWORD)
    caplog.set_level(logging.DEBUG)
    return Command(tmp_path, capfd, caplog)


def reached(outcome: tuple[int, str]) -> bool:
    """It has told the brokers' answer: that the topics are not there."""
    code, text = outcome
    return code == 2 and "error: accel is not there" in text


def test_tls_with_the_right_authority(secured: SecureBroker, describe: Command) -> None:
    tls = {"security_protocol": "SSL", "ca_file": secured.ca_file}
    assert reached(describe(secured.addresses["TLS"], **tls))


def test_tls_with_another_authority_is_refused(secured: SecureBroker, describe: Command) -> None:
    tls = {"security_protocol": "SSL", "ca_file": str(secured.folder / "other.pem")}
    code, text = describe(secured.addresses["TLS"], **tls, connect_timeout="2s")
    assert code == 1
    assert "check the address, the network, the certificates (ca_file) and" in text
    assert "certificate verify failed" in text


def test_the_host_is_verified_unless_that_is_switched_off(
    secured: SecureBroker, describe: Command
) -> None:
    tls = {"security_protocol": "SSL", "ca_file": secured.ca_file}
    named = secured.addresses["TLS"].replace("127.0.0.1", "localhost")
    code, text = describe(named, **tls, connect_timeout="2s")
    assert code == 1
    assert "certificate is not valid for 'localhost'" in text
    assert reached(describe(named, **tls, verify_hostname=False))


def test_a_certificate_of_the_client_lets_it_in(secured: SecureBroker, describe: Command) -> None:
    at, folder = secured.addresses["MUTUAL"], secured.folder
    tls = {"security_protocol": "SSL", "ca_file": secured.ca_file}
    own = {"certificate_file": str(folder / "client.pem"),
           "key_file": str(folder / "client.encrypted.key")}  # fmt: skip
    os.environ["KEY_PASSWORD"] = KEY_PASSWORD
    try:
        assert reached(describe(at, **tls, **own, key_password="${env:KEY_PASSWORD}"))
    finally:
        del os.environ["KEY_PASSWORD"]
    stranger = {"certificate_file": str(folder / "stranger.both.pem")}
    assert describe(at, **tls, **stranger, connect_timeout="2s")[0] == 1
    assert describe(at, **tls, connect_timeout="2s")[0] == 1
    code, text = describe(at, **tls, **own, key_password="wr0ng-5ecret")
    assert code == 2
    assert "no usable PEM, or the wrong key_password" in text


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_password_lets_in_over_tls(
    secured: SecureBroker, describe: Command, mechanism: str
) -> None:
    secure = {"security_protocol": "SASL_SSL", "ca_file": secured.ca_file, **SASL}
    assert reached(describe(secured.addresses["SECURE"], **secure, sasl_mechanism=mechanism))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_refused_and_not_told(
    secured: SecureBroker, describe: Command, mechanism: str
) -> None:
    wrong = {"username": USER, "password": "wr0ng-5ecret", "sasl_mechanism": mechanism}
    at = secured.addresses["SASL"]
    code, text = describe(at, security_protocol="SASL_PLAINTEXT", connect_timeout="2s", **wrong)
    assert code == 1
    assert "check the address, the network, the credentials and the rights" in text


def test_secrets_come_from_files_and_a_lack_is_told(
    secured: SecureBroker, describe: Command, tmp_path: Path
) -> None:
    at = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": USER}
    (tmp_path / "word").write_text(f"{PASSWORD}\n")
    address = secured.addresses["SASL"]
    assert reached(describe(address, **at, password=f"${{file:{tmp_path / 'word'}}}"))
    code, text = describe(address, **at, password="${env:NOWHERE_TO_BE_FOUND}")
    assert code == 2
    assert "the environment variable NOWHERE_TO_BE_FOUND is not set" in text
    code, text = describe(address, **at, password=f"${{file:{tmp_path}}}")
    assert code == 2
    assert "cannot read the file" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"sasl_mechanism": "PLAIN"},
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "KERBEROS"},
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "usrname": "x"},
        {"security_protocol": "SSL", "key_password": "wr0ng-5ecret"},
        {"oauth": {"client_secret": "wr0ng-5ecret", "token_endpoint": 7}},
    ],
)
def test_a_pipeline_file_that_is_refused_does_not_quote_its_secrets(
    describe: Command, wrong: dict[str, Any]
) -> None:
    code, text = describe("127.0.0.1:9", password="wr0ng-5ecret", **wrong)
    assert code == 2
    assert "source" in text


OAUTH = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}


def test_a_token_from_a_file_or_a_command_lets_in(
    secured: SecureBroker, describe: Command, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(unsecured_token() + "\n")
    at, over = secured.addresses["SECURE"], {**OAUTH, "ca_file": secured.ca_file}
    assert reached(describe(at, **over, oauth={"token_file": str(file)}))
    assert reached(describe(at, **over, oauth={"token_command": ["cat", str(file)]}))
    file.write_text(unsecured_token(lifetime=-600))
    expired = {"token_file": str(file)}
    assert describe(at, **over, oauth=expired, connect_timeout="2s")[0] == 1


@pytest.mark.parametrize(
    ("oauth", "message"),
    [
        ({"token_file": "/nowhere/token"}, "token file /nowhere/token cannot be read: No such"),
        ({"token_command": ["sh", "-c", "echo wr0ng-5ecret >&2; exit 3"]}, "with the exit code 3"),
        ({"token_command": ["printf", "wr0ng-5ecret and more"]}, "one word of printable ASCII"),
        ({"token_command": ["no-such-program-here"]}, "cannot be run: No such file"),
    ],
)
def test_a_token_that_is_not_to_be_had_is_told_without_it(
    secured: SecureBroker, describe: Command, oauth: dict[str, Any], message: str
) -> None:
    code, text = describe(
        secured.addresses["SECURE"], **OAUTH, ca_file=secured.ca_file, oauth=oauth
    )
    assert code == 1
    assert message in text


class Provider(BaseHTTPRequestHandler):
    """An identity provider with a token endpoint."""

    asked: ClassVar[list[dict[str, list[str]]]] = []

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append(urllib.parse.parse_qs(form))
        right = base64.b64encode(b"watch:client-5ecret").decode()
        known = self.headers["Authorization"] == f"Basic {right}"
        body = {"access_token": unsecured_token(), "expires_in": 300} if known else {"error": "no"}
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def provider() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Provider.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_a_token_of_an_identity_provider_lets_in(
    secured: SecureBroker, describe: Command, provider: str
) -> None:
    at, over = secured.addresses["SECURE"], {**OAUTH, "ca_file": secured.ca_file}
    asked = {"token_endpoint": provider, "client_id": "watch", "scope": "kafka"}
    oauth = {**asked, "client_secret": "client-5ecret"}
    assert reached(describe(at, **over, oauth=oauth))
    assert Provider.asked[0] == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    # One of the source and one of the sink, each for all of its connections.
    assert len(Provider.asked) == 2
    code, text = describe(at, **over, oauth={**asked, "client_secret": "wr0ng-5ecret"})
    assert code == 1
    assert f"the token endpoint {provider} refused with status 401" in text
