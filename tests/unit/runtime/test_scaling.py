"""How many ingest replicas there should be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sensorium.host import IngestConfig
from sensorium.observe import Reading

pytest.importorskip("ray", reason="needs pip install 'sensorium'")
from ray.serve.config import AutoscalingConfig

from sensorium.runtime.serve._scaling import LagPolicy, LoadMeter, ingest_scale

NOW = 1_000_000.0


def wanted(
    count: int, *, lag: float, busy: float, numbers: int = 16, changed: float = 1e9, said: int = -1
) -> int:
    """What the policy says of so many replicas that are all alike."""
    names = [f"r{number}" for number in range(count if said < 0 else said)]
    context: Any = SimpleNamespace(
        target_num_replicas=count,
        current_time=NOW,
        last_scale_up_time=NOW - changed,
        last_scale_down_time=None,
        aggregated_metrics={
            "lag_seconds": dict.fromkeys(names, 0.0) | ({names[0]: lag} if names else {}),
            "busy": dict.fromkeys(names, busy),
            "numbers": dict.fromkeys(names, numbers / count),
        },
    )
    return LagPolicy(target_lag=10, cool_down=60)(context)[0]


@pytest.mark.parametrize(
    ("count", "given", "expected"),
    [
        (2, {"lag": 30, "busy": 0.9}, 4),
        # Behind, and idle: what they wait for is elsewhere.
        (2, {"lag": 30, "busy": 0.2}, 2),
        (2, {"lag": 5, "busy": 0.9}, 2),
        (4, {"lag": 0, "busy": 0.3}, 2),
        (4, {"lag": 0, "busy": 0.5}, 4),
        (4, {"lag": 0, "busy": 0.0}, 1),
        # No fewer while one lies behind.
        (4, {"lag": 30, "busy": 0.1}, 4),
        # Never more than there are partition numbers.
        (3, {"lag": 30, "busy": 0.9, "numbers": 4}, 4),
        (4, {"lag": 30, "busy": 0.9, "numbers": 3}, 3),
        # After a change, and until all have said something, it waits.
        (2, {"lag": 30, "busy": 0.9, "changed": 30}, 2),
        (2, {"lag": 30, "busy": 0.9, "said": 1}, 2),
        (1, {"lag": 30, "busy": 0.9, "said": 0}, 1),
    ],
)
def test_the_number_follows_lag_and_work(count: int, given: dict[str, Any], expected: int) -> None:
    assert wanted(count, **given) == expected


def readings(*, lags: tuple[float, ...] = (), source: float, models: float) -> list[Reading]:
    return [
        *(Reading("sensorium_lag_seconds", ("a", str(at)), lag) for at, lag in enumerate(lags)),
        Reading("sensorium_waited_seconds_total", ("source",), source),
        Reading("sensorium_waited_seconds_total", ("models",), models),
        Reading("sensorium_oldest_set_seconds", (), 0.25),
    ]


@pytest.mark.parametrize(("elsewhere", "busy"), [(True, 0.3), (False, 0.8)])
def test_a_replica_tells_its_load_since_it_was_asked_last(elsewhere: bool, busy: float) -> None:
    meter = LoadMeter(elsewhere)
    first = meter.measure(readings(source=7, models=1), 4, now=100)
    assert first == {"lag_seconds": 0.25, "busy": 0, "numbers": 4}
    then = meter.measure(readings(lags=(3.5, 2), source=9, models=6), 3, now=110)
    assert then == {"lag_seconds": 3.75, "busy": pytest.approx(busy), "numbers": 3}


def test_the_policy_is_what_serve_loads() -> None:
    scale = ingest_scale(
        IngestConfig.model_validate({"replicas": {"min": 1, "max": 4}, "target_lag": "5s"})
    )
    config = AutoscalingConfig.model_validate(scale["autoscaling_config"])
    assert (config.min_replicas, config.max_replicas) == (1, 4)
    policy: Any = config.policy.get_policy()
    made = policy(**config.policy.policy_kwargs)
    assert made._target_lag == 5
    assert made._cool_down == config.downscale_delay_s == 60
    assert ingest_scale(IngestConfig.model_validate({"replicas": 3})) == {"num_replicas": 3}


def test_nobody_would_start_the_first() -> None:
    with pytest.raises(ValueError, match=r"replicas\.min is 0"):
        IngestConfig.model_validate({"replicas": {"min": 0, "max": 4}})
