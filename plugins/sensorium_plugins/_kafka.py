"""What the Kafka source and sink share: the connection, and errors that name the broker."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from sensorium.durations import INFINITY, DurationField
from sensorium.errors import RunError
from sensorium.plugin import PluginConfig
from sensorium_plugins._kafka_oauth import OAuthConfig, TokenSource
from sensorium_plugins._kafka_tls import client_context

__all__ = [
    "MAX_REQUEST_BYTES",
    "KafkaConnection",
    "admin_client",
    "inner_parts_known",
    "is_lasting",
    "kafka_errors",
    "run_error",
]

#: What brokers take in one request (`socket.request.max.bytes`) where they are not told otherwise.
MAX_REQUEST_BYTES: Final = 100 * 1024 * 1024


class KafkaConnection(PluginConfig):
    """How to reach the brokers.

    Parameters
    ----------
    bootstrap_servers
        ``host:port`` of one or more brokers, separated by commas.
    security_protocol
        As Kafka names it.
    ca_file
        Certificates that the brokers' are checked against, in PEM; the system's if not given.
    certificate_file, key_file, key_password
        The client's own certificate and its key, in PEM, for brokers that ask for one. The key may
        be in the same file as the certificate.
    verify_hostname
        Whether a broker's certificate has to be for the host that is connected to.
    sasl_mechanism, username, password
        For the protocols with SASL. The password is best a reference, as
        ``${env:KAFKA_PASSWORD}``.
    oauth
        Where access tokens come from, for OAUTHBEARER.
    connect_timeout
        How long to wait for the first broker, and for what it knows of a topic.
    """

    bootstrap_servers: str = Field(min_length=1)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = Field(default=None, repr=False)
    verify_hostname: bool = True
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    oauth: OAuthConfig | None = None
    connect_timeout: DurationField = Field(default=30_000_000_000, gt=0, lt=INFINITY)

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> KafkaConnection:
        protocol, mechanism = self.security_protocol, self.sasl_mechanism
        credentials = [self.username, self.password]
        if not protocol.startswith("SASL"):
            if mechanism is not None or self.oauth is not None or any(credentials):
                raise ValueError(
                    f"sasl_mechanism, username, password and oauth have no use with {protocol}"
                )
            return self
        if mechanism == "OAUTHBEARER":
            if self.oauth is None or any(credentials):
                raise ValueError("OAUTHBEARER needs oauth, and neither username nor password")
            return self
        if mechanism is None or None in credentials:
            raise ValueError(f"{protocol} needs sasl_mechanism, username and password, or oauth")
        if self.oauth is not None:
            raise ValueError(f"oauth has no use with {mechanism}")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> KafkaConnection:
        own = [self.certificate_file, self.key_file, self.key_password]
        if not self.security_protocol.endswith("SSL") and any([*own, self.ca_file]):
            raise ValueError(
                "ca_file, certificate_file, key_file and key_password have no use with "
                f"{self.security_protocol}"
            )
        if any(own) and self.certificate_file is None:
            raise ValueError("key_file and key_password need certificate_file")
        return self

    def settings(self) -> dict[str, Any]:
        """What clients of kafka-python take.

        Raises
        ------
        ConfigError
            If a file of certificates or keys cannot be read.
        RunError
            If an access token cannot be had.
        """
        logging.getLogger("kafka.cluster").addFilter(_is_news)  # added once, however often
        servers = [one.strip() for one in self.bootstrap_servers.split(",")]
        found: dict[str, Any] = {
            "bootstrap_servers": servers,
            "security_protocol": self.security_protocol,
            "client_id": "sensorium",
            "allow_auto_create_topics": False,
            "bootstrap_timeout_ms": int(self.connect_timeout) // 1_000_000,
            # As Java's client. After a broker was gone for a while kafka-python would wait up to
            # 30 s before it tries again, and a transaction, and its group, with it.
            "reconnect_backoff_max_ms": 1_000,
        }
        if self.security_protocol.endswith("SSL"):
            found["ssl_context"] = client_context(
                self.ca_file,
                self.certificate_file,
                self.key_file,
                self.key_password,
                verify_hostname=self.verify_hostname,
            )
        if self.sasl_mechanism is not None:
            _hush()
            found["sasl_mechanism"] = self.sasl_mechanism
        if self.oauth is not None:
            found["sasl_oauth_token_provider"] = _provider(TokenSource(self.oauth))
        elif self.sasl_mechanism is not None:
            found["sasl_plain_username"] = self.username
            found["sasl_plain_password"] = _Masked(self.password)
        return found


def inner_parts_known() -> bool:
    """Whether kafka-python is of the series whose inner parts are made use of where that pays."""
    import kafka

    version: str = kafka.__version__
    return version.startswith("3.0.")


def admin_client(config: KafkaConnection) -> Any:
    """A client for what is asked of the brokers beside records."""
    from kafka.admin import KafkaAdminClient

    settings = config.settings()
    settings.pop("allow_auto_create_topics", None)
    return KafkaAdminClient(**settings)


class _Masked(str):
    """A text that does not show in the representation of what holds it.

    The client logs its whole configuration, at the level DEBUG.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def _no_requests(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


def _hush() -> None:
    """Keep the client from logging, at the level DEBUG, the requests that hold the credentials."""
    for name in ("kafka.net.connection", "kafka.protocol.parser"):
        logging.getLogger(name).addFilter(_no_requests)  # added once, however often


def _is_news(record: logging.LogRecord) -> bool:
    """Keep the client from telling, as an error, that it was closed while it asked for metadata."""
    from kafka.errors import Cancelled

    told = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(it, Cancelled) for it in told)


def _provider(source: TokenSource) -> Any:
    """A token provider of kafka-python; asked once here, where an error reaches the user."""
    from kafka.net.sasl.oauth import AbstractTokenProvider

    class Provider(AbstractTokenProvider):  # type: ignore[misc,unused-ignore]
        def token(self) -> str:
            return source.token()

    source.token()
    return Provider()


@contextmanager
def kafka_errors(config: KafkaConnection, doing: str) -> Iterator[None]:
    """Turn what the client raises into a `RunError` that says where and what to look at."""
    from kafka.errors import KafkaError

    try:
        yield
    except KafkaError as error:
        raise run_error(config, doing, error) from error


def run_error(config: KafkaConnection, doing: str, error: Exception) -> RunError:
    """What the client has raised, as an error that says where and what to look at."""
    check = ["the address, the network"]
    if config.security_protocol.endswith("SSL"):
        check.append("the certificates (ca_file)")
    if config.sasl_mechanism is not None:
        # A refusal often reaches the client as a connection that was closed.
        check.append("the credentials")
    return RunError(
        f"Kafka at {config.bootstrap_servers}: {doing} failed ({type(error).__name__}: "
        f"{error}); check {', '.join(check)} and the rights"
    )


def is_lasting(error: Exception) -> bool:
    """Whether an error comes again, however often it is tried, until somebody sees to it.

    A right is missing, or a message is larger than its topic takes. That a topic is not there is
    none of these: brokers that restart say so, too.
    """
    from kafka import errors

    return isinstance(
        error,
        (
            errors.AuthorizationError,
            errors.InvalidTopicError,
            errors.MessageSizeTooLargeError,
            errors.PolicyViolationError,
            errors.RecordListTooLargeError,
            errors.UnsupportedVersionError,
        ),
    )
