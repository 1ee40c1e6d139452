"""What is done around a running pipeline: its topics, its dead letters, recordings of its input."""

from sensorium.operations._dead_letters import (
    Replayed,
    StoredLetter,
    late_again,
    read_dead_letters,
    replay_dead_letters,
)
from sensorium.operations._logs import open_log
from sensorium.operations._readable import readable
from sensorium.operations._record import Recorded, Recorder
from sensorium.operations._replay import Replayer, Sent
from sensorium.operations._topics import PlannedTopic, TopicPlan, create_topics, plan_topics

__all__ = [
    "PlannedTopic",
    "Recorded",
    "Recorder",
    "Replayed",
    "Replayer",
    "Sent",
    "StoredLetter",
    "TopicPlan",
    "create_topics",
    "late_again",
    "open_log",
    "plan_topics",
    "read_dead_letters",
    "readable",
    "replay_dead_letters",
]
