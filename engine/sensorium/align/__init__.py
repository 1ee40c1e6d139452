"""Alignment: what belongs together in event time, per entity, and what is absent and why."""

from sensorium.align._aligner import Aligner
from sensorium.align._approximate import Approximate
from sensorium.align._carry import Carry
from sensorium.align._exact import Exact
from sensorium.align._horizon import horizon
from sensorium.align._late import late_letter
from sensorium.align._nearest import Nearest
from sensorium.align._size import value_bytes
from sensorium.align._snapshot import Snapshot
from sensorium.align._trace import Standing, Trace
from sensorium.align._window import Window
from sensorium.plugin import Policy, StreamSpec

__all__ = [
    "Aligner",
    "Approximate",
    "Carry",
    "Exact",
    "Nearest",
    "Policy",
    "Snapshot",
    "Standing",
    "StreamSpec",
    "Trace",
    "Window",
    "horizon",
    "late_letter",
    "value_bytes",
]
