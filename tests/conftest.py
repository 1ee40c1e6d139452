"""What all tests share: the helpers of ``tests/support`` and the Hypothesis profiles."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent / "support"))

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# A property's own number of examples is a share of these: see `share` in alignment_strategies.
# Small networks do not get faster with more threads, and several times slower where other processes
# want the cores, too. It is read when torch is imported, and handed down to what tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("ci", max_examples=500, deadline=None, derandomize=True)
settings.register_profile(
    "soak", max_examples=20_000, deadline=None, suppress_health_check=_SLOW, print_blob=True
)
settings.load_profile("soak" if os.environ.get("SENSORIUM_SOAK") == "1" else "ci")
