"""What the Kafka source and sink share: the connection, and errors that name the broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import Field, model_validator

from sensorium.durations import INFINITY, DurationField
from sensorium.errors import RunError
from sensorium.plugin import PluginConfig

__all__ = ["KafkaConnection", "kafka_errors"]


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
    sasl_mechanism, username, password
        For the protocols with SASL. The password is best a reference, as
        ``${env:KAFKA_PASSWORD}``.
    connect_timeout
        How long to wait for the first broker, and for what it knows of a topic.
    """

    bootstrap_servers: str = Field(min_length=1)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ca_file: str | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    connect_timeout: DurationField = Field(default=30_000_000_000, gt=0, lt=INFINITY)

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> KafkaConnection:
        wanted = self.security_protocol.startswith("SASL")
        given = [self.sasl_mechanism, self.username, self.password]
        if wanted and None in given:
            raise ValueError(
                f"{self.security_protocol} needs sasl_mechanism, username and password"
            )
        if not wanted and any(given):
            raise ValueError(
                f"sasl_mechanism, username and password have no use with {self.security_protocol}"
            )
        return self

    def settings(self) -> dict[str, Any]:
        """What clients of kafka-python take."""
        servers = [one.strip() for one in self.bootstrap_servers.split(",")]
        found: dict[str, Any] = {
            "bootstrap_servers": servers,
            "security_protocol": self.security_protocol,
            "client_id": "sensorium",
            "allow_auto_create_topics": False,
            "bootstrap_timeout_ms": int(self.connect_timeout) // 1_000_000,
        }
        if self.ca_file is not None:
            found["ssl_cafile"] = self.ca_file
        if self.sasl_mechanism is not None:
            found |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return found


@contextmanager
def kafka_errors(config: KafkaConnection, doing: str) -> Iterator[None]:
    """Turn what the client raises into a `RunError` that says where and what to look at."""
    from kafka.errors import KafkaError

    try:
        yield
    except KafkaError as error:
        raise RunError(
            f"Kafka at {config.bootstrap_servers}: {doing} failed "
            f"({type(error).__name__}: {error}); check the address, the network and the rights"
        ) from error
