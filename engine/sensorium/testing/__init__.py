"""What a plugin author tests with: a source and a sink in memory, a clock to turn by hand, a
modality run across real process boundaries, and the conformance checks that the built-in plugins
pass too.
"""

from sensorium.testing._clock import Clock
from sensorium.testing._fusion_checks import FUSION_CHECKS, check_fusion
from sensorium.testing._memory import MemorySink, MemorySource
from sensorium.testing._modality_checks import MODALITY_CHECKS, check_modality
from sensorium.testing._run import run
from sensorium.testing._subject import FusionSubject, ModalitySubject, NonconformanceError

__all__ = [
    "FUSION_CHECKS",
    "MODALITY_CHECKS",
    "Clock",
    "FusionSubject",
    "MemorySink",
    "MemorySource",
    "ModalitySubject",
    "NonconformanceError",
    "check_fusion",
    "check_modality",
    "run",
]
