"""What the door asks: a single set through the models, on the door's own terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sensorium.door import Predict, RefusedError
from sensorium.events import Absence, AlignedSet, DeadLetter, Prediction
from sensorium.runtime._microbatch import Microbatch, Worked
from sensorium.runtime._model import Models
from sensorium.runtime._work import local_work
from sensorium.stages import Emitter

if TYPE_CHECKING:
    from sensorium.host import Pipeline

__all__ = ["local_predict", "predict_with"]

#: Failures that may pass: a server that does not answer, a model that is spared for a while.
_PASSING: Final = frozenset({"UnavailableError", "CircuitOpen"})


def local_predict(pipeline: Pipeline, models: Models) -> Predict:
    """Ask models of this process, which a line may use at the same time.

    Only the models are shared: what is remembered of events, and of calls that failed, is the
    door's own, so that no request changes what the line does.
    """
    return predict_with(pipeline, local_work(pipeline, models, remembered=0))


def predict_with(pipeline: Pipeline, work: Callable[[Microbatch], Worked]) -> Predict:
    """Ask what takes micro-batches through the models."""
    tasks = {name: part.task for name, part in pipeline.tasks.items()}
    emitter = Emitter(pipeline.name, list(pipeline.streams), tasks)

    def predict(aligned: AlignedSet) -> Prediction:
        worked = work(Microbatch([aligned], [0], [0]))
        _refuse_failed(worked.letters)
        [marked] = worked.batch.sets
        spared = [name for name, why in marked.absent.items() if why is Absence.FAILED]
        if spared:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"input {spared[0]!r}: its model has failed again and again, and is spared for a "
                "while",
            )
        emitted = emitter.emit(worked.batch.sets, worked.fused, worked.model)
        _refuse_failed(emitted.letters)
        [prediction] = emitted.predictions
        return prediction

    return predict


def _refuse_failed(letters: Iterable[DeadLetter]) -> None:
    """Say what failed, instead of an answer that lacks it: who tries a pipeline wants to know."""
    for letter in letters:
        where = "" if letter.stream is None else f"input {letter.stream!r}: "
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if letter.error in _PASSING:
            status = HTTPStatus.SERVICE_UNAVAILABLE
        elif letter.hook == "prepare":
            status = HTTPStatus.BAD_REQUEST
        raise RefusedError(status, where + letter.message)
