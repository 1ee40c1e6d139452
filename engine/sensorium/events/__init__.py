"""What flows through a pipeline: events in, aligned sets in the middle, predictions out."""

from sensorium.events._dead_letter import DeadLetter
from sensorium.events._event import Event
from sensorium.events._fate import Absence, Fate
from sensorium.events._prediction import Prediction, TaskResult
from sensorium.events._set import AlignedSet

__all__ = [
    "Absence",
    "AlignedSet",
    "DeadLetter",
    "Event",
    "Fate",
    "Prediction",
    "TaskResult",
]
