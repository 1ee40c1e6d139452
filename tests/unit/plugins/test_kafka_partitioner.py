"""Keys go where every other producer with the default partitioner sends them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from sensorium_plugins._kafka_partitioner import key_partitioner


class Cluster:
    """A topic's partitions, as a client knows them."""

    def __init__(self, count: int) -> None:
        self._numbers = set(range(count))

    def topics(self) -> set[str]:
        return {"topic"}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return self._numbers if topic == "topic" else set()

    available_partitions_for_topic = partitions_for_topic


@given(keys=st.lists(st.binary(max_size=20), max_size=20), count=st.integers(1, 50))
def test_as_by_default(keys: list[bytes], count: int) -> None:
    cluster, ours, default = Cluster(count), key_partitioner(), DefaultPartitioner()
    for key in [*keys, *keys]:
        asked = ("topic", None, key, None, b"", cluster)
        assert ours.partition(*asked) == default.partition(*asked)


def test_a_topic_that_has_grown_is_shared_out_anew() -> None:
    ours, default = key_partitioner(), DefaultPartitioner()
    for count in (3, 6):
        for number in range(50):
            asked = ("topic", None, b"key-%d" % number, None, b"", Cluster(count))
            assert ours.partition(*asked) == default.partition(*asked)


def test_without_a_key_it_is_any() -> None:
    found = {
        key_partitioner().partition("topic", None, None, None, b"", Cluster(3)) for _ in range(99)
    }
    assert found == {0, 1, 2}
