"""The stages of the straight line: ingest, encode, fuse, emit (`sensorium.align` has its own).

Each takes what the one on its left gives and calls none of the others. They run in one thread or
many, in one process or several: between processes only the arrays of `StreamEncoder.encode` and
of `Fuser.fuse` travel.
"""

from sensorium.stages._check import check_output
from sensorium.stages._emit import Emitted, Emitter
from sensorium.stages._encode import EncodedBatch, Encoder, FailedStream
from sensorium.stages._failure import Failure, failures_of, raised
from sensorium.stages._fuse import Fused, Fuser
from sensorium.stages._ingest import Heartbeat, Ingest, Ingested, Progress, TargetValue
from sensorium.stages._routing import IngestStream, TargetStream, Wiring
from sensorium.stages._rows import join_features, take_features
from sensorium.stages._samples import samples_of, samples_of_event
from sensorium.stages._stream_encoder import EncodedRows, Prepared, StreamEncoder

__all__ = [
    "Emitted",
    "Emitter",
    "EncodedBatch",
    "EncodedRows",
    "Encoder",
    "FailedStream",
    "Failure",
    "Fused",
    "Fuser",
    "Heartbeat",
    "Ingest",
    "IngestStream",
    "Ingested",
    "Prepared",
    "Progress",
    "StreamEncoder",
    "TargetStream",
    "TargetValue",
    "Wiring",
    "check_output",
    "failures_of",
    "join_features",
    "raised",
    "samples_of",
    "samples_of_event",
    "take_features",
]
