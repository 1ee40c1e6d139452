"""The definitions, and the page that is made from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from metrics_page import GROUPS, render

from sensorium.observe import METRICS, Metric

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_that_of_the_definitions() -> None:
    assert PAGE.read_text() == render(), (
        "run PYTHONPATH=engine python tests/support/metrics_page.py > docs/metrics.md"
    )


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_names_follow_the_conventions_of_prometheus(metric: Metric) -> None:
    # No colon: those are for recording rules, and Ray drops a name that has one.
    assert re.fullmatch(r"sensorium_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not metric.name.endswith(("_count", "_sum", "_bucket"))
    assert ("_seconds" in metric.name) == metric.unit.startswith("seconds")
    assert metric.group in GROUPS
    assert metric.help.endswith(".")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_labels_and_buckets(metric: Metric) -> None:
    assert not {"key", "id", "pipeline", "le", "quantile"} & set(metric.labels)
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
