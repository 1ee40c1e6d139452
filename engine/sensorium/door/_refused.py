"""Why a request is not answered."""

from __future__ import annotations

from http import HTTPStatus

__all__ = ["RefusedError"]


class RefusedError(Exception):
    """A request that is not answered as it was meant to be.

    Parameters
    ----------
    status
        The status of the answer.
    message
        What is wrong, naming the input at fault; never a payload.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)
