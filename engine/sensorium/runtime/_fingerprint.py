"""A digest of what decides which sets there are."""

from __future__ import annotations

import json
from hashlib import blake2b

from sensorium.host import Pipeline

__all__ = ["alignment_fingerprint"]


def alignment_fingerprint(pipeline: Pipeline) -> str:
    """16 hexadecimal digits of the alignment's configuration.

    Of the policy and of every stream's topic and limits: with another one, what a cut says of
    pending sets no longer holds.
    """
    policy = pipeline.policy
    said = {
        "policy": {"name": policy.name, **policy.model_dump(mode="json")},
        "streams": {
            name: {"topic": part.topic, **part.spec.model_dump(mode="json")}
            for name, part in pipeline.streams.items()
        },
    }
    return blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()
