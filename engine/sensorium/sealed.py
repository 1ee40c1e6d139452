"""Immutable records that cost little to make."""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import wraps
from typing import Any, TypeVar

__all__ = ["sealed"]

T = TypeVar("T")


def sealed(cls: type[T]) -> type[T]:
    """Make the instances of a frozen dataclass with slots in a third of the time.

    The constructor that `dataclasses` writes for a frozen class goes round the class's own
    ``__setattr__``, which refuses, by a call per field. This one fills a record while it is of a
    class with the same slots that refuses nothing, and then gives it back its own. Once made, it
    is what it would have been: frozen, and compared, copied and pickled in the same way. Records
    of a subclass are made by the old constructor.

    It pays where records are made for every event; pass fields by position there, since names
    cost about as much again.

    Parameters
    ----------
    cls
        Decorated with ``dataclass(frozen=True, slots=True)``.

    Raises
    ------
    TypeError
        If it is not such a class, or has a base class or fields that are not parameters.
    """
    known: dict[str, Any] = getattr(cls, "__dataclass_fields__", {})
    names = tuple(known)
    if cls.__dict__.get("__slots__") != names or "__setattr__" not in cls.__dict__:
        raise TypeError(f"{cls.__name__} is not a frozen dataclass whose slots are its own fields")
    if not all(field.init and not field.kw_only for field in known.values()):
        raise TypeError(f"{cls.__name__} has fields that cannot be given by position")
    by_dataclass: Any = cls.__init__
    members: dict[str, Any] = {"__slots__": names}
    check = getattr(cls, "__post_init__", None)
    if check is not None:
        members["__post_init__"] = check
    namespace: dict[str, Any] = {
        "sealed_class": cls,
        "open_class": type(cls.__name__, (), members),
        "set_attribute": object.__setattr__,
        "by_dataclass": by_dataclass,
    }
    lines = [
        "if self.__class__ is not sealed_class:",
        f"    return by_dataclass(self, {', '.join(names)})",
        "set_attribute(self, '__class__', open_class)",
    ]
    defaults = by_dataclass.__defaults__ or ()
    by_default = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    for field in fields(cls):  # type: ignore[arg-type]
        value = field.name
        if field.default_factory is not MISSING:
            namespace[f"factory_of_{value}"] = field.default_factory
            namespace[f"no_{value}"] = by_default[value]
            value = f"factory_of_{value}() if {value} is no_{value} else {value}"
        lines.append(f"self.{field.name} = {value}")
    if check is not None:
        lines.append("self.__post_init__()")
    lines.append("self.__class__ = sealed_class")
    source = f"def __init__(self, {', '.join(names)}):\n    " + "\n    ".join(lines)
    # As `dataclasses` does it; the source holds nothing but the names of the class's own fields.
    exec(source, namespace)  # noqa: S102
    quick: Any = wraps(by_dataclass)(namespace["__init__"])
    quick.__defaults__ = defaults
    cls.__init__ = quick  # type: ignore[method-assign]
    return cls
