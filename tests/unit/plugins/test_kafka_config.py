"""What the Kafka plugins refuse before any broker is asked."""

from __future__ import annotations

import socket

import pytest
from pydantic import ValidationError

from sensorium.errors import RunError
from sensorium_plugins.sinks import KafkaSinkConfig
from sensorium_plugins.sources import KafkaSource, KafkaSourceConfig

SASL = {"sasl_mechanism": "PLAIN", "username": "u", "password": "hunter2"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "start"),
        ({"start": "middle"}, "earliest"),
        ({"start": "latest", "group": "g"}, "Extra inputs"),
        ({"start": "latest", "security_protocol": "SASL_SSL"}, "needs sasl_mechanism"),
        ({"start": "latest", **SASL}, "have no use with PLAINTEXT"),
        ({"start": "latest", "bootstrap_servers": ""}, "at least 1 character"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(fields, message) -> None:
    with pytest.raises(ValidationError, match=message):
        KafkaSourceConfig.model_validate({"bootstrap_servers": "b:1", **fields})


def test_predictions_and_dead_letters_go_to_two_topics() -> None:
    with pytest.raises(ValidationError, match="the same topic"):
        KafkaSinkConfig(bootstrap_servers="b:1", topic="t", dead_letters="t")


def test_a_password_reaches_the_client_and_is_not_printed() -> None:
    config = KafkaSourceConfig.model_validate(
        {
            "bootstrap_servers": "a:1, b:2",
            "start": "latest",
            "security_protocol": "SASL_SSL",
            **SASL,
        }
    )
    assert config.settings()["bootstrap_servers"] == ["a:1", "b:2"]
    assert config.settings()["sasl_plain_password"] == "hunter2"
    assert "hunter2" not in repr(config)


def test_a_broker_that_is_not_there_is_an_error_with_its_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        config = KafkaSourceConfig.model_validate(
            {"bootstrap_servers": address, "start": "latest", "connect_timeout": "1s"}
        )
        with pytest.raises(RunError, match=f"Kafka at {address}: connecting failed"):
            KafkaSource(config, ["t"]).poll(1, 0.1)
