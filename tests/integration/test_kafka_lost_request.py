"""A request that the client loses holds a transaction up for a while, and not for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import NodeNotReadyError
from kafka_records import read_all

from sensorium.errors import CommitError
from sensorium.events import Prediction, TaskResult
from sensorium.plugin import Cut, CutPosition, TopicPartition
from sensorium_plugins.sinks import KafkaSink


def prediction(key: str) -> Prediction:
    return Prediction(key, "p", key, 1, {"task": TaskResult(values=(1.0,))})


@pytest.mark.parametrize("lost", ["AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"])
def test_a_transaction_whose_request_is_lost_is_taken_back(
    broker: str, new_topic: Callable[..., str], lost: str
) -> None:
    topic, out, letters = new_topic(), new_topic(), new_topic()
    sink = KafkaSink(
        KafkaSink.Config(
            bootstrap_servers=broker,
            topic=out,
            dead_letters=letters,
            connect_timeout="2s",
            transaction_timeout="1s",
        )
    )
    cut = Cut(1, {TopicPartition(topic, 0): CutPosition(0, 0, None)}, "fingerprint")
    sink.begin("member")
    try:
        sink.write([prediction("taken back")])
        # What kafka-python meets when the coordinator goes after it has been found ready: the
        # request is in no queue any more, and nobody is told.
        client: Any = sink._producer._sender._client
        send = client.send

        def lose(node: Any, request: Any, **options: Any) -> Any:
            if type(request).__name__.startswith(lost) and client.send is lose:
                client.send = send
                raise NodeNotReadyError(node)
            return send(node, request, **options)

        client.send = lose
        with pytest.raises(CommitError, match="ending the transaction has taken more than 3 s"):
            sink.commit({0: cut}, f"group-{topic}")
        assert client.send is send
        sink.abort()
        sink.write([prediction("written")])
        sink.commit({0: cut}, f"group-{topic}")
    finally:
        sink.close()
    (found,) = read_all(broker, out)
    assert json.loads(found.value)["key"] == "written"
