"""Checkpoints that come with the package, and what their cards say.

Owns where they lie and how a name or a path becomes a folder. Reading a card loads no model.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from costmodel.core.errors import CheckpointError, UnknownNameError
from costmodel.models import MODELS

DEFAULT_MODEL = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedModel:
    """A checkpoint folder with its card."""

    name: str
    folder: Path
    card: Mapping[str, Any]

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    @property
    def predicts_programs(self) -> bool:
        """Whether it takes programs, or ranks the tuner's schedules."""
        return MODELS.get(str(self.card.get("model"))).takes != "features"


def shipped_folder() -> Path:
    """Where the checkpoints lie."""
    return Path(str(resources.files("costmodel.models"))) / "shipped"


def shipped_models() -> list[ShippedModel]:
    """All of them, by name."""
    folder = shipped_folder()
    found = sorted(path.parent for path in folder.glob("*/model.json")) if folder.is_dir() else []
    return [ShippedModel(name=path.name, folder=path, card=read_card(path)) for path in found]


def read_card(folder: Path) -> dict[str, Any]:
    """A checkpoint's `model.json`; raises `CheckpointError`."""
    path = folder / "model.json"
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no readable checkpoint: {error}; give a folder that `costmodel train` wrote"
        ) from error
    if not isinstance(card, dict) or not isinstance(card.get("model"), str):
        raise CheckpointError(f"{path} names no model; give a folder that `costmodel train` wrote")
    if card["model"] not in MODELS:
        raise CheckpointError(
            f"{path} holds a {card['model']!r} model, which this version does not know; it has {', '.join(MODELS)}"
        )
    return card


def resolve(name_or_path: str | Path) -> Path:
    """The folder of a shipped name or of a path; raises `UnknownNameError` with the shipped names."""
    text = str(name_or_path)
    if isinstance(name_or_path, str) and "/" not in text and (shipped_folder() / text / "model.json").is_file():
        return shipped_folder() / text
    path = Path(name_or_path)
    if path.is_dir():
        return path
    if path.name == "model.json" and path.is_file():
        return path.parent
    names = [model.name for model in shipped_models() if model.predicts_programs]
    close = difflib.get_close_matches(text, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UnknownNameError(
        f"no model {text!r}: neither a folder nor shipped; shipped: {', '.join(names) or 'none'}{hint}"
    )
