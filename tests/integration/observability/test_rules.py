"""Rules, dashboard and runbooks: they name what exists, and promtool finds them right."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboard import render
from prometheus_programs import NoPrometheusError, program

from sensorium.observe import METRICS

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "observability"
TESTS = Path(__file__).with_name("rules.test.yaml")
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
#: What Prometheus and Grafana bring themselves.
ALWAYS = {"pipeline", "le"}


def queries() -> Iterator[tuple[str, str]]:
    """Every query of rules and dashboard, with where it is."""
    for rule in RULES:
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads((DEPLOY / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def metric_of(name: str) -> str | None:
    """The metric that a series of this name belongs to."""
    if name in METRICS and METRICS[name].kind != "histogram":
        return name
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if base != name and base in METRICS and METRICS[base].kind == "histogram" else None


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_what_a_query_names_exists(where: str, query: str) -> None:
    names = re.findall(r"(?<![\w:])(sensorium_\w+)(?:\{([^}]*)\})?", query)
    recorded = re.findall(r"\w+:[\w:]+", query)
    assert names or recorded, where
    assert set(recorded) <= RECORDED
    allowed = set(ALWAYS)
    for name, selector in names:
        metric = metric_of(name)
        assert metric is not None, f"{where}: there is no {name}"
        labels = {*METRICS[metric].labels, "pipeline"}
        assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= labels, where
        allowed |= labels
    for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", query):
        assert set(re.findall(r"\w+", listed)) <= allowed, where


def test_the_dashboard_is_the_one_that_is_made() -> None:
    assert (DEPLOY / "dashboard.json").read_text() == render(), (
        "run python tests/support/dashboard.py > deploy/observability/dashboard.json"
    )


def test_the_rows_of_the_dashboard_are_the_stages() -> None:
    panels = json.loads(render())["panels"]
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows == ["overview", "ingest", "align", "encode", "fuse", "emit", "delivery", "door"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(it["gridPos"]["x"], it["gridPos"]["y"]) for it in panels]
    assert len(set(places)) == len(places)


def test_every_metric_is_shown_or_alerted_on() -> None:
    text = "\n".join(query for _, query in queries())
    shown = {metric_of(name) for name in re.findall(r"(?<![\w:])sensorium_\w+", text)}
    assert set(METRICS) - shown == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_runbook_that_says_how_to_end_it(alert: str) -> None:
    rule = ALERTS[alert]
    page = f"docs/runbooks/{alert}.md"
    assert rule["annotations"]["runbook"] == page
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    text = (ROOT / page).read_text()
    assert text.startswith(f"# {alert}\n**Symptom.** ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "What it means", "How to look", "What to do"
    ]  # fmt: skip
    for linked in re.findall(r"\]\((\w+\.md)\)", text):
        assert (ROOT / "docs" / "runbooks" / linked).is_file()
    for name in re.findall(r"(?<![\w:])sensorium_\w+", text):
        assert metric_of(name) or name.startswith("sensorium_on_"), name
    assert set(re.findall(r"\w+:[a-z_]+:\w+", text)) <= RECORDED


def test_there_is_no_runbook_without_an_alert() -> None:
    assert {page.stem for page in (ROOT / "docs" / "runbooks").glob("*.md")} == set(ALERTS)


def test_every_alert_is_tested() -> None:
    fired = {
        test["alertname"]
        for story in yaml.safe_load(TESTS.read_text())["tests"]
        for test in story.get("alert_rule_test", ())
        if test["exp_alerts"]
    }
    assert fired == set(ALERTS)


@pytest.fixture
def promtool(tmp_path: Path) -> Callable[..., str]:
    """Run promtool beside the shipped files and the tests of the rules."""
    try:
        found = program("promtool")
    except NoPrometheusError as error:
        pytest.skip(f"needs promtool: {error}")
    for file in (*DEPLOY.glob("*.yaml"), TESTS):
        shutil.copy(file, tmp_path)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [found, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_promtool_accepts_rules_and_scrape_configuration(promtool: Callable[..., str]) -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "rules.yaml")
    assert "SUCCESS" in promtool("check", "config", "prometheus.yaml")


def test_alerts_fire_when_they_should_and_not_when_they_should_not(
    promtool: Callable[..., str],
) -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS.name)
