"""How long the brokers are waited for: what may be asked again, and what may not last for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

__all__ = ["insist", "within"]

#: How long a question is put again that brokers answer once they are back, in seconds.
_INSIST_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5

_Answer = TypeVar("_Answer")


def insist(
    ask: Callable[[], _Answer],
    seconds: float = _INSIST_SECONDS,
    what: str = "what brokers know",
    stage: str = "ingest",
) -> _Answer:
    """The answer to a question, put again for a while where trying again may help.

    For what has to be known before anything can be read, as when partitions have just been assigned
    and the brokers restart: there is no later poll to leave it to.

    Parameters
    ----------
    ask
        Asks.
    seconds
        How long it is put again.
    what, stage
        What is asked for, and whose log says that it is asked for again.

    Raises
    ------
    KafkaError
        If trying again would not help, or has not helped in time.
    """
    from kafka.errors import KafkaError

    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
            logging.getLogger(f"sensorium.{stage}").warning(
                "asking for %s again: %s: %s", what, type(error).__name__, error
            )
            time.sleep(_PAUSE_SECONDS)


def within(seconds: float, call: Callable[[], None], what: str) -> None:
    """Make a call of a client that waits without a limit, and leave it where it takes too long.

    kafka-python loses a transaction's request when its coordinator goes in the moment between being
    found ready and being written to (up to 3.0.12, the newest now), and who waits for the answer
    waits for ever. What is left stays on a thread of its own, which ends with the process.

    Parameters
    ----------
    seconds
        How long it may take.
    call
        What is done, on another thread.
    what
        What is being done, for the error.

    Raises
    ------
    KafkaTimeoutError
        If it took longer; it may still succeed.
    """
    from kafka.errors import KafkaTimeoutError

    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            call()
        except BaseException as error:  # handed on, whatever it is
            raised.append(error)

    worker = threading.Thread(target=attempt, name="sensorium-kafka-call", daemon=True)
    worker.start()
    worker.join(seconds)
    if worker.is_alive():
        raise KafkaTimeoutError(f"{what} has taken more than {seconds:g} s")
    if raised:
        raise raised[0]
