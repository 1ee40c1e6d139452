"""The broker of `make demo-kafka`, for the tests.

`SENSORIUM_TEST_KAFKA=host:port` names one that runs already; without it, and without Java and
Maven, the tests that need one are skipped with the reason. For trials by hand::

    python -m sensorium.demo._broker
"""

from sensorium.demo._broker import NoBrokerError, OwnBroker, kafka_broker, own_broker

__all__ = ["NoBrokerError", "OwnBroker", "kafka_broker", "own_broker"]
