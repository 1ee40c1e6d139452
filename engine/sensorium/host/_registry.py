"""The classes of one kind that the installed plugins bring, by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sensorium.errors import PluginError
from sensorium.host._problem import Problem

__all__ = ["BUILTIN", "Registered", "Registry", "UnknownPluginError"]

#: The distribution whose names win over anybody else's.
BUILTIN: Final = "sensorium"

T = TypeVar("T")


class UnknownPluginError(PluginError, KeyError):
    """A name that no installed plugin brings."""

    # KeyError would show the message in quotes.
    __str__ = PluginError.__str__


@dataclass(frozen=True, slots=True)
class Registered(Generic[T]):
    """A class that a plugin brought.

    Parameters
    ----------
    kind
        ``modality``, ``fusion``, ``task``, ``policy``, ``source`` or ``sink``.
    name
        Its own name, without the distribution.
    cls
        The class.
    plugin, distribution, version
        Who brought it.
    """

    kind: str
    name: str
    cls: type[T]
    plugin: str
    distribution: str
    version: str

    @property
    def qualified(self) -> str:
        """``distribution:name``, which is never ambiguous."""
        return f"{self.distribution}:{self.name}"

    @property
    def description(self) -> str:
        """The first line of the class's own docstring."""
        return (self.cls.__doc__ or "").strip().partition("\n")[0]


class Registry(Mapping[str, type[T]]):
    """A read-only mapping of names to classes; a name may be qualified as ``distribution:name``.

    Iteration gives every class once, by its shortest unambiguous name. A missing name is an
    `UnknownPluginError` that says what there is.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._claims: dict[str, list[Registered[T]]] = {}
        self._qualified: dict[str, Registered[T]] = {}
        #: Plugins that failed to load, any of which might have brought a missing name.
        self.failed: list[Problem] = []

    def add(self, item: Registered[T]) -> str | None:
        """Take a class; return what is wrong if its name was taken already."""
        same = self._qualified.get(item.qualified)
        if same is not None:
            if same.cls is item.cls:
                return None
            return (
                f"the {self.kind} {item.name!r} is brought twice by {item.distribution}; "
                f"{_path(same.cls)} stays, {_path(item.cls)} is left out"
            )
        self._qualified[item.qualified] = item
        claims = self._claims.setdefault(item.name, [])
        claims.append(item)
        if len(claims) == 1:
            return None
        others = " and ".join(other.distribution for other in claims[:-1])
        if any(claim.distribution == BUILTIN for claim in claims):
            loser = next(claim for claim in reversed(claims) if claim.distribution != BUILTIN)
            return (
                f"the {self.kind} {item.name!r} is a built-in of sensorium, which wins; "
                f"write {loser.qualified!r} for the one of {loser.distribution}"
            )
        choices = " or ".join(repr(claim.qualified) for claim in claims)
        return f"the {self.kind} {item.name!r} is also brought by {others}: write {choices}"

    def registered(self) -> Iterator[Registered[T]]:
        """Every class with who brought it, in the order of registration."""
        return iter(self._qualified.values())

    def lookup(self, name: str) -> Registered[T]:
        """Find a class by name, with who brought it.

        Raises
        ------
        UnknownPluginError
            If there is none, or several; the message names the near match, what exists, and the
            plugins that failed to load.
        """
        item = self._find(name)
        if item is None:
            raise UnknownPluginError(self._explain(name))
        return item

    def shortest(self, item: Registered[T]) -> str:
        """The name that finds it: the plain one, or the qualified one where that is taken."""
        return item.name if self._find(item.name) is item else item.qualified

    def names(self, item: Registered[T]) -> list[str]:
        """Every name that finds it, the shortest first."""
        return list(dict.fromkeys((self.shortest(item), item.qualified)))

    def __getitem__(self, name: str) -> type[T]:
        return self.lookup(name).cls

    def __iter__(self) -> Iterator[str]:
        return (self.shortest(item) for item in self._qualified.values())

    def __len__(self) -> int:
        return len(self._qualified)

    def _find(self, name: str) -> Registered[T] | None:
        if name in self._qualified:
            return self._qualified[name]
        claims = self._claims.get(name, [])
        if len(claims) == 1:
            return claims[0]
        return next((claim for claim in claims if claim.distribution == BUILTIN), None)

    def _explain(self, name: str) -> str:
        claims = self._claims.get(name)
        if claims:
            choices = " or ".join(repr(claim.qualified) for claim in claims)
            return f"the {self.kind} {name!r} is brought by several plugins: write {choices}"
        names = sorted(self)
        near = difflib.get_close_matches(name, names, n=1)
        parts = [f"there is no {self.kind} {name!r}"]
        if near:
            parts[0] += f"; did you mean {near[0]!r}?"
        parts.append(f"installed: {', '.join(names)}" if names else "none is installed")
        parts += [f"it may be part of what failed to load: {problem}" for problem in self.failed]
        return "; ".join(parts).replace("?;", "?")


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
