"""The door: single sets over HTTP, for trying a pipeline.

It speaks the Open Inference Protocol, version 2. A request is one set, without alignment; it goes
through the same decoding and the same models as the line, and never through the line itself.
"""

from sensorium.door._refused import RefusedError
from sensorium.door._server import Door, Predict

__all__ = ["Door", "Predict", "RefusedError"]
