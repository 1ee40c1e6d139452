"""What is done around a running pipeline: its topics, its dead letters, recordings of its input."""

from sensorium.operations._logs import open_log
from sensorium.operations._topics import PlannedTopic, TopicPlan, create_topics, plan_topics

__all__ = ["PlannedTopic", "TopicPlan", "create_topics", "open_log", "plan_topics"]
