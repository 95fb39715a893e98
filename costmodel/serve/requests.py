"""What a message at the local socket may ask, and what it is answered.

Owns the request's form, version 1:

    {"schema_version": 1, "requests": [{"ir": TEXT, "target": "arch/cpu" or a list, "format": "llvm" (optional),
                                        "encoding": "base64" (for bytes), "metrics": […], "pipeline": … (optional)}]}

    {"schema_version": 1, "model": NAME, "answers": [what `costmodel predict --format json` prints, or {"error": …}]}

Invariant: one answer for each request, in order; a request that cannot be answered does not disturb the others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from costmodel.core.errors import CostModelError, ParseError
from costmodel.core.schema import CONTRACTS_VERSION, check_version, require, text_field
from costmodel.ir import read
from costmodel.models.predictor import DEFAULT_MODEL, Predictor
from costmodel.models.predictor.answer import document

FIELDS = ("ir", "target", "format", "encoding", "metrics", "pipeline")
MAX_REQUESTS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One program and what is asked about it."""

    ir: bytes
    targets: tuple[str, ...]
    format: str | None = None
    metrics: tuple[str, ...] = ()
    pipeline: str | None = None

    @classmethod
    def parse(cls, given: object) -> Self:
        """From JSON; raises `ParseError`."""
        what = "request"
        if not isinstance(given, Mapping):
            raise ParseError(f"{what}: it is {type(given).__name__}, expected an object with ir and target")
        if unknown := sorted(set(given) - set(FIELDS)):
            raise ParseError(f"{what}: unknown field {unknown[0]!r}; known: {', '.join(FIELDS)}")
        return cls(
            ir=_content(text_field(given, "ir", what), given.get("encoding"), what),
            targets=_texts(require(given, "target", (str, list), what), "target", what),
            format=_optional(given, "format", what),
            metrics=_texts(given.get("metrics") or [], "metrics", what),
            pipeline=_optional(given, "pipeline", what),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """A predictor behind the request's form; may be asked from any number of threads."""

    predictor: Predictor

    @classmethod
    def load(cls, model: str | Path = DEFAULT_MODEL) -> Self:
        """See `Predictor.load`."""
        return cls(predictor=Predictor.load(model))

    def answer(self, message: object) -> dict[str, object]:
        """The reply to a whole message; raises `ParseError` where it has no requests to answer."""
        if not isinstance(message, Mapping):
            raise ParseError(f"the message is {type(message).__name__}, expected an object with requests")
        check_version(message, CONTRACTS_VERSION, "message")
        requests = require(message, "requests", list, "message")
        assert isinstance(requests, list)
        if len(requests) > MAX_REQUESTS:
            raise ParseError(f"message: {len(requests)} requests, at most {MAX_REQUESTS} are taken at a time")
        answers = [self._one(request) for request in requests]
        return {"schema_version": CONTRACTS_VERSION, "model": self.predictor.name, "answers": answers}

    def _one(self, given: object) -> dict[str, Any]:
        try:
            request = Request.parse(given)
            program = read(request.ir, format=request.format)
            answers = self.predictor.predict(program, request.targets, request.metrics, pipeline=request.pipeline)
        except CostModelError as error:
            return {"schema_version": CONTRACTS_VERSION, "error": as_error(error)}
        return document(answers, self.predictor.name)


def as_error(error: CostModelError) -> dict[str, str]:
    """An error as a reply carries it: its class and its message, in one line."""
    return {"kind": type(error).__name__, "message": " ".join(str(error).split())}


def _content(text: str, encoding: object, what: str) -> bytes:
    if encoding is None:
        return text.encode("utf-8", "surrogatepass")
    if encoding != "base64":
        raise ParseError(f"{what}: encoding is {encoding!r}, expected base64 or none")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParseError(f"{what}: the ir is no base64: {error}") from None


def _optional(given: Mapping[str, object], name: str, what: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise ParseError(f"{what}: field {name!r} is {value!r}, expected a text or null")
    return value


def _texts(value: object, name: str, what: str) -> tuple[str, ...]:
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
        raise ParseError(f"{what}: field {name!r} is {value!r}, expected texts")
    if name == "target" and not several:
        raise ParseError(f"{what}: target is empty; give one such as x86-64/znver4")
    return tuple(several)
