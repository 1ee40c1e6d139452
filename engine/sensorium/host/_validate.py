"""Validating a part of the file with a model, collecting errors instead of raising the first."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sensorium.errors import ConfigError
from sensorium.host._document import Document, KeyPath, dotted

__all__ = ["Findings", "near_match"]

M = TypeVar("M", bound=BaseModel)

#: Sections whose values are not shown in messages: one may be a password.
_PRIVATE: Final = ("source", "sink", "door")
_OWN_WORDS: Final = ("value_error", "assertion_error")


class _NotPlainError(Exception):
    """A value that no file can hold, in a mapping given from Python."""


class Findings:
    """The errors of one document, collected.

    Parameters
    ----------
    document
        What is validated.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.errors: list[ConfigError] = []

    def add(self, message: str, path: KeyPath) -> None:
        """Note an error at a path."""
        line = self.document.line(path)
        self.errors.append(ConfigError(message, path=dotted(path), line=line))

    def validate(
        self, model: type[M], data: Any, path: KeyPath, also: Iterable[str] = ()
    ) -> M | None:
        """Validate a part of the document strictly; None if it has errors.

        It goes through JSON, so that a YAML list is taken for a tuple or a set and a text for a
        path, while the text ``"5"`` is no number.

        Parameters
        ----------
        model
            The model to validate with.
        data
            The part of the document.
        path
            Where it stands.
        also
            Further keys that may stand there, for the near match of an unknown one.
        """
        try:
            return model.model_validate_json(json.dumps(data, default=_plain), strict=True)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                self._note(model, dict(detail), path, tuple(also))
        except _NotPlainError as error:
            self.add(str(error), path)
        except Exception as error:
            # A validator of a plugin that is not prepared for what it got.
            self.add(f"{model.__qualname__} fails with {type(error).__name__}: {error}", path)
        return None

    def raise_if_any(self) -> None:
        """Raise all errors together, in the order of the file."""
        if self.errors:
            ordered = sorted(self.errors, key=lambda error: (error.line or 0, error.path))
            raise ConfigError.all_of(ordered, self.document.source)

    def _note(
        self, model: type[BaseModel], detail: dict[str, Any], path: KeyPath, also: tuple[str, ...]
    ) -> None:
        location: KeyPath = tuple(detail["loc"])
        kind: str = detail["type"]
        if location and location[-1] == "[key]":
            # Pydantic marks an error of a mapping's key so.
            location = location[:-1]
        where = (*path, *self._in_document(path, location))
        if kind == "extra_forbidden":
            known = _keys_at(model, location[:-1]) | (set(also) if len(location) == 1 else set())
            message = "unknown key; " + near_match(str(location[-1]), known)
        elif kind == "missing":
            message = "is required"
        elif kind in _OWN_WORDS:
            message = detail["msg"].partition(", ")[2]
        elif kind == "too_short" and not detail["input"]:
            message = "needs at least one entry"
        else:
            message = detail["msg"].replace("Input should", "should")
            message = message.replace("an object", "a mapping").replace("dictionary", "mapping")
            message += f", got {_shown(detail['input'], private=where[:1])}"
        self.add(message, where)

    def _in_document(self, path: KeyPath, location: KeyPath) -> KeyPath:
        """The location without what names a branch of a union and no key of the file."""
        value = _descend(self.document.value, path)
        kept: list[str | int] = []
        for i, part in enumerate(location):
            is_last = i == len(location) - 1
            is_key = isinstance(value, Mapping) and (part in value or is_last)
            is_index = isinstance(value, list) and isinstance(part, int)
            if is_key or is_index:
                kept.append(part)
                value = _descend(value, (part,))
        return tuple(kept)


def near_match(name: str, known: Iterable[str]) -> str:
    """``did you mean `x`?``, or what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(names)}" if names else "no key is known here"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise _NotPlainError(f"{type(value).__name__} is not a value of a pipeline file")


def _descend(value: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _shown(value: Any, private: KeyPath) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if private and private[0] in _PRIVATE:
        return f"a value of type {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: type[BaseModel], location: KeyPath) -> set[str]:
    """The keys that a model knows at a location inside it."""
    here = _models(model)
    for part in location:
        inner: list[Any] = []
        for annotation in here:
            inner += _step(annotation, part)
        # A part that leads nowhere names a branch of a union.
        here = inner or here
    return {key for annotation in here for key in _fields(annotation)}


def _models(annotation: Any) -> list[Any]:
    """An annotation without `Annotated`, its unions flattened."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _models(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in _models(part)]
    return [annotation]


def _step(annotation: Any, part: str | int) -> list[Any]:
    if _is_model(annotation):
        found = _fields(annotation).get(str(part))
        return _models(found) if found is not None else []
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    origin = get_origin(annotation)
    if isinstance(origin, type) and arguments and issubclass(origin, (Mapping, list, tuple)):
        return _models(arguments[-1])
    return []


def _fields(annotation: Any) -> dict[str, Any]:
    if not _is_model(annotation):
        return {}
    return {
        field.alias or name: field.annotation for name, field in annotation.model_fields.items()
    }


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
