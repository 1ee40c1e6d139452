"""What a plugin author tests with: a source and a sink in memory, a clock to turn by hand, a
modality run across real process boundaries, and the conformance kit that the built-in plugins
pass too.
"""

from sensorium.testing._clock import Clock
from sensorium.testing._memory import MemorySink, MemorySource
from sensorium.testing._run import run
from sensorium.testing.conformance import NonconformanceError, check_fusion, check_modality

__all__ = [
    "Clock",
    "MemorySink",
    "MemorySource",
    "NonconformanceError",
    "check_fusion",
    "check_modality",
    "run",
]
