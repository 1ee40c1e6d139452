"""Values for the chart: a plain pipeline, and what the tests change in it."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

Values: TypeAlias = dict[str, Any]

FILE: Values = {
    "pipeline": "watch",
    "source": {"plugin": "kafka", "bootstrap_servers": "kafka:9092", "start": "latest"},
    "streams": {
        "accel": {
            "modality": "sensor-stats",
            "topic": "watch.accel",
            "lateness": "1s",
            "max_delay": "5s",
            "config": {"channels": 3, "rate": 50},
        },
        "gyro": {
            "modality": "sensor-stats",
            "topic": "watch.gyro",
            "lateness": "1s",
            "max_delay": "5s",
            "config": {"channels": 3, "rate": 50},
        },
    },
    "align": {"policy": "window", "size": "2s", "hop": "1s", "require": "any", "deadline": "2s"},
    "fusion": {"plugin": "concat", "hidden": [64], "alpha": 3},
    "tasks": {
        "exercise": {
            "type": "classification",
            "labels": ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"],
        }
    },
    "sink": {
        "plugin": "kafka",
        "bootstrap_servers": "kafka:9092",
        "topic": "watch.predictions",
        "dead_letters": "watch.dead-letters",
    },
}


def changed(base: Values, changes: Values) -> Values:
    """A deep copy with some values set, given by their dotted paths."""
    found = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = found
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return found


def values(**changes: Any) -> Values:
    """Of one pipeline; dots of a path are written ``__``, and ``watch`` and ``file`` lead to it."""
    places = {"watch": "pipelines.watch", "file": "pipelines.watch.file"}
    paths = {}
    for name, value in changes.items():
        first, *rest = name.split("__")
        paths[".".join([places.get(first, first), *rest])] = value
    return changed({"pipelines": {"watch": {"file": FILE}}}, paths)


ALL_ON = {
    "autoscaling__enabled": True,
    "autoscaling__prometheus": "http://prometheus.monitoring:9090",
    "autoscaling__authentication": "prometheus",
    "podDisruptionBudget__enabled": True,
    "networkPolicy__enabled": True,
    "metrics__podMonitor__enabled": True,
    "metrics__rules__enabled": True,
    "metrics__dashboard__enabled": True,
}
ALL_OFF = {"serviceAccount__create": False, "test__enabled": False}
SECURE = {
    "file__source": {
        "plugin": "kafka",
        "bootstrap_servers": "kafka:9093",
        "start": "latest",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "username": "watch",
        "password": "${env:KAFKA_PASSWORD}",
        "ca_file": "/etc/sensorium/secrets/tls/ca.crt",
    },
    "watch__secretEnv": {"KAFKA_PASSWORD": {"secret": "kafka", "key": "password"}},
    "watch__secretFiles": {"tls": {"secret": "kafka-tls"}},
}
GPUS = {
    "file__streams__gyro__placement": "replica",
    "file__streams__gyro__replicas": {"min": 1, "max": 5},
    "file__streams__gyro__resources": {"num_gpus": 0.5, "accelerator_type": "L4"},
    "file__fusion": {"plugin": "mean", "placement": "replica", "resources": {"num_gpus": 0.25}},
    "gpu__accelerators": {"L4": {"example.com/gpu": "l4"}},
}
