"""What the Kafka plugins refuse before any broker is asked."""

from __future__ import annotations

import logging
import re
import socket
from pathlib import Path

import pytest
from kafka.errors import Cancelled, NodeNotReadyError
from pydantic import ValidationError

import sensorium_plugins
from sensorium.errors import ConfigError, RunError
from sensorium.host import PluginHost, load_pipeline
from sensorium_plugins.sinks import KafkaSinkConfig
from sensorium_plugins.sources import KafkaSource, KafkaSourceConfig

SASL = {"sasl_mechanism": "PLAIN", "username": "u", "password": "hunter2"}
OAUTH = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "OAUTHBEARER",
    "oauth": {"token_file": "token"},
}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "start"),
        ({"start": "middle"}, "earliest"),
        ({"start": "latest", "groups": "g"}, "Extra inputs"),
        ({"start": "2026-11-25T08:00:00"}, "a time with its zone"),
        ({"start": "latest", "group_instance_id": "pod-1"}, "no use without group"),
        ({"start": "latest", "max_poll_interval": "5s"}, "shorter than session_timeout"),
        ({"start": "latest", "security_protocol": "SASL_SSL"}, "needs sasl_mechanism"),
        ({"start": "latest", **SASL}, "have no use with PLAINTEXT"),
        ({"start": "latest", "bootstrap_servers": ""}, "at least 1 character"),
        ({"start": "latest", **SASL, **OAUTH}, "neither username nor password"),
        ({"start": "latest", **OAUTH, "oauth": None}, "OAUTHBEARER needs oauth"),
        ({"start": "latest", **OAUTH, "oauth": {}}, "name one of token_file, token_command"),
        ({"start": "latest", **OAUTH, "oauth": {"token_endpoint": "http://p"}}, "needs client_id"),
        ({"start": "latest", **OAUTH, "oauth": {"token_file": "f", "scope": "s"}}, "for token_end"),
        ({"start": "latest", "ca_file": "ca.pem"}, "have no use with PLAINTEXT"),
        ({"start": "latest", "security_protocol": "SSL", "key_file": "k"}, "need certificate_file"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(fields, message) -> None:
    with pytest.raises(ValidationError, match=message):
        KafkaSourceConfig.model_validate({"bootstrap_servers": "b:1", **fields})


def test_predictions_and_dead_letters_go_to_two_topics() -> None:
    with pytest.raises(ValidationError, match="the same topic"):
        KafkaSinkConfig(bootstrap_servers="b:1", topic="t", dead_letters="t")
    for carry in ("t", "d"):
        with pytest.raises(ValidationError, match="carry names a topic that other things"):
            KafkaSinkConfig(bootstrap_servers="b:1", topic="t", dead_letters="d", carry=carry)


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
    assert "hunter2" not in repr(config.settings())


def test_a_file_of_certificates_that_is_not_there_is_named() -> None:
    config = KafkaSourceConfig.model_validate(
        {"bootstrap_servers": "b:1", "start": "latest", "security_protocol": "SSL",
         "ca_file": "/nowhere/ca.pem"}
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"ca_file /nowhere/ca\.pem: No such file"):
        config.settings()


def test_a_broker_that_is_not_there_is_an_error_with_its_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        config = KafkaSourceConfig.model_validate(
            {"bootstrap_servers": address, "start": "latest", "connect_timeout": "1s"}
        )
        with pytest.raises(RunError, match=f"Kafka at {address}: connecting failed"):
            KafkaSource(config, ["t"]).poll(1, 0.1)


@pytest.mark.parametrize("page", ["kafka.md", "pipeline.md"])
def test_the_pipeline_on_the_page_is_one_that_loads(page: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text()
    file = tmp_path / "watch.yaml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    host = PluginHost(entry_points=[], modules=[sensorium_plugins])
    pipeline = load_pipeline(file, plugins=host)
    assert pipeline.source is KafkaSource
    assert pipeline.streams["accel"].topic == "watch.accel"


def test_a_client_that_is_closed_while_it_asks_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    KafkaSinkConfig(bootstrap_servers="x:1", topic="a", dead_letters="b").settings()
    log = logging.getLogger("kafka.cluster")
    log.error("Metadata refresh: failed %s", Cancelled())
    log.error("Metadata refresh: failed %s", NodeNotReadyError("1"))
    assert [it.message for it in caplog.records] == [
        "Metadata refresh: failed NodeNotReadyError: 1"
    ]
