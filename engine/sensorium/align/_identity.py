"""Identities of sets: the same set has the same id in every run."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["SetIdentity"]


class SetIdentity:
    """Digests of (pipeline, key, anchor, revision)."""

    __slots__ = ("_prefix",)

    def __init__(self, pipeline: str) -> None:
        # Lengths keep ("a", "bc") apart from ("ab", "c").
        encoded = pipeline.encode()
        self._prefix = b"%d:%b" % (len(encoded), encoded)

    def of(self, key: str, anchor: int, revision: int) -> str:
        """32 hexadecimal digits."""
        encoded = key.encode("utf-8", "surrogatepass")
        message = b"%b%d:%b%d,%d" % (self._prefix, len(encoded), encoded, anchor, revision)
        return blake2b(message, digest_size=16).hexdigest()
