"""What is done around a running pipeline: topics, dead letters, recordings, and a look at one."""

from sensorium.operations._clocks import ClockEstimate, estimate_clocks
from sensorium.operations._dead_letters import (
    Replayed,
    StoredLetter,
    late_again,
    read_dead_letters,
    replay_dead_letters,
)
from sensorium.operations._delays import LOSSES, Losses, losses
from sensorium.operations._logs import open_log
from sensorium.operations._readable import readable
from sensorium.operations._record import Recorded, Recorder
from sensorium.operations._replay import Replayer, Sent
from sensorium.operations._start import require_topics
from sensorium.operations._survey import Arrivals, survey
from sensorium.operations._topics import (
    PlannedTopic,
    TopicPlan,
    create_topics,
    input_findings,
    plan_topics,
)

__all__ = [
    "LOSSES",
    "Arrivals",
    "ClockEstimate",
    "Losses",
    "PlannedTopic",
    "Recorded",
    "Recorder",
    "Replayed",
    "Replayer",
    "Sent",
    "StoredLetter",
    "TopicPlan",
    "create_topics",
    "estimate_clocks",
    "input_findings",
    "late_again",
    "losses",
    "open_log",
    "plan_topics",
    "read_dead_letters",
    "readable",
    "replay_dead_letters",
    "require_topics",
    "survey",
]
