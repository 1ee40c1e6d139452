"""What has to be true of the topics when a pipeline starts to read them in a group."""

from __future__ import annotations

import logging

from sensorium.errors import ConfigError, RunError
from sensorium.host import Pipeline
from sensorium.operations._logs import has_log
from sensorium.operations._topics import input_findings

__all__ = ["require_topics"]

_LOG = logging.getLogger("sensorium.run")


def require_topics(pipeline: Pipeline) -> None:
    """Refuse topics from which a restart could not go on; say what else is wrong with them.

    Where the source stores no cuts, or this user may not ask for the topics' settings, nothing is
    refused.

    Raises
    ------
    ConfigError
        If a topic is compacted, or their numbers of partitions differ.
    RunError
        If the log cannot be reached.
    """
    if pipeline.source is None or not has_log(pipeline, "source"):
        return
    topics = list(dict.fromkeys(part.topic for part in pipeline.streams.values()))
    if not pipeline.source(pipeline.source_config, topics).keeps_cuts:
        return
    try:
        findings = input_findings(pipeline)
    except ConfigError:
        return  # what it is that is infinite, the run says itself
    except RunError as error:
        # Reading takes fewer rights than asking for settings. The brokers' answer is known by its
        # name only: no layer but the plugin imports their client.
        if "Authorization" not in type(error.__cause__).__name__:
            raise
        _LOG.info("the topics are not checked: %s", error)
        return
    for finding in findings:
        if finding.level == "error":
            raise ConfigError(f"{finding.message}: {finding.fix}", path=finding.path)
        _LOG.warning(
            "%s %s: %s", finding.path, finding.message, finding.fix, extra={"event": "topic"}
        )
