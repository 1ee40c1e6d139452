"""One class adopts the kit; nothing of it can be lost without a word."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sensorium.plugin import Features
from sensorium.testing.conformance import (
    MODALITY_CHECKS,
    FusionConformance,
    ModalityConformance,
)

ADOPTED = """
    from kit_plugins import Good
    from sensorium.testing.conformance import ModalityConformance

    class Shaky(Good):
        def encode(self, arrays):
            self.calls = getattr(self, "calls", 0) + 1
            return super().encode({"x": arrays["x"] * self.calls})

    class TestGood(ModalityConformance):
        plugin = Good
        payloads = [[1.0, 2.0, 3.0], [4.0, -5.0, 6.5]]
        waived = {
            "is_thread_safe": "it is only ever called by one thread",
            "loads_in_several_processes": "Ray is tried elsewhere",
        }

    class TestShaky(TestGood):
        plugin = Shaky
"""


def adopt(kit: SimpleNamespace, **settings: Any) -> type[ModalityConformance]:
    given = {"plugin": kit.Good, "payloads": kit.payloads, **settings}
    return type("TestGood", (ModalityConformance,), given)


def test_pytest_runs_every_check_and_shows_what_is_waived(run_pytest: Any, tmp_path: Path) -> None:
    (tmp_path / "test_adopted.py").write_text(textwrap.dedent(ADOPTED))
    done = run_pytest("test_adopted.py", "-rs", "--junit-xml", "report.xml")
    for check in MODALITY_CHECKS:
        assert f"TestGood::test_{check}" in done.stdout
    assert "waived: it is only ever called by one thread" in done.stdout
    assert "TestGood::test_is_thread_safe SKIPPED" in done.stdout
    assert "TestGood::test_keeps_no_state PASSED" in done.stdout
    assert "TestShaky::test_keeps_no_state FAILED" in done.stdout
    assert 'name="encode 64, microseconds per item"' in (tmp_path / "report.xml").read_text()


def test_a_report_has_a_line_per_check_and_the_times(kit: SimpleNamespace) -> None:
    report = adopt(kit, waived={"is_thread_safe": "one thread calls it"}).report()
    assert report.ok
    lines = str(report).splitlines()
    assert lines[0] == "modality good"
    assert "  waived        is_thread_safe              one thread calls it" in lines
    assert lines[-2].startswith("  time per item: decode ")
    assert lines[-1] == "  14 passed, 0 failed, 1 waived, 1 inapplicable"


def test_a_report_says_what_fails_and_goes_on(kit: SimpleNamespace) -> None:
    def encode(self: Any, arrays: Any) -> Features:
        raise RuntimeError("no model")

    broken = type("Broken", (kit.Good,), {"encode": encode})
    report = adopt(kit, plugin=broken).report()
    assert not report.ok
    told = {outcome.check: outcome for outcome in report.outcomes}
    assert told["config_is_strict"].state == "passed"
    assert told["is_deterministic"].message == "raised RuntimeError: no model"
    assert not report.figures


def test_a_check_cannot_be_replaced(kit: SimpleNamespace) -> None:
    def lenient(self: Any) -> None:
        pass

    with pytest.raises(TypeError, match=r"test_keeps_no_state would replace a standard check"):
        adopt(kit, test_keeps_no_state=lenient)
    mixin = type("Mixin", (), {"test_keeps_no_state": lenient})
    with pytest.raises(TypeError, match=r"waived = \{'keeps_no_state': 'the reason'\}"):
        type("TestGood", (mixin, ModalityConformance), {"plugin": kit.Good})
    # The checks of another kind are none of its own.
    type("TestOther", (FusionConformance,), {"test_takes_several_events": lenient})


def test_a_waiver_needs_a_check_and_a_reason(kit: SimpleNamespace) -> None:
    with pytest.raises(TypeError, match="'keeps_no_stat'; did you mean 'keeps_no_state'"):
        adopt(kit, waived={"keeps_no_stat": "because"})
    with pytest.raises(TypeError, match="gives no reason for 'keeps_no_state'"):
        adopt(kit, waived={"keeps_no_state": " "})


def test_own_tests_stand_beside_the_standard_ones(kit: SimpleNamespace) -> None:
    adopted = adopt(kit, test_of_its_own=lambda self: None)
    assert adopted.report().ok


def test_what_is_missing_is_said(kit: SimpleNamespace) -> None:
    with pytest.raises(TypeError, match="set `plugin` to the class"):
        adopt(kit, plugin=None).report()
    with pytest.raises(ValueError, match="at least two payloads"):
        adopt(kit, payloads=kit.payloads[:1]).report()


def test_arrays_survive_as_they_are(kit: SimpleNamespace) -> None:
    weights = {"scale": np.full(3, 2, np.float32)}
    assert adopt(kit, weights=weights).report().ok
