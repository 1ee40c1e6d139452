"""What happened to an event, or at a moment, and why: in sentences and as a picture."""

from sensorium.explain._explain import Explanation, explain
from sensorium.explain._picture import draw
from sensorium.explain._story import Seen, Shown, Story, read_story
from sensorium.explain._times import TimeAxis

__all__ = ["Explanation", "Seen", "Shown", "Story", "TimeAxis", "draw", "explain", "read_story"]
