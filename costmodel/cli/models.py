"""`costmodel models`: the checkpoints that come with the package, and what their cards say.

Owns how cards are shown.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from costmodel.models.predictor.shipped import ShippedModel, shipped_models

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEMA_VERSION = 1
_LISTS = ("metrics", "targets", "pipelines", "levels")


def add_parser(subparsers: Subparsers) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("models", help="list the models that are installed")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="what to print (default: table)")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    found = shipped_models()
    print(as_json(found) if args.format == "json" else as_table(found))
    return 0


def entry(model: ShippedModel) -> dict[str, Any]:
    """One model as JSON takes it."""
    card = model.card
    return {
        "name": model.name,
        "model": card["model"],
        "size_bytes": model.size_bytes,
        "predicts": "programs" if model.predicts_programs else "schedules",
        **{name: list(card.get(name) or ()) for name in _LISTS},
        "functions": card.get("functions"),
        "rows": card.get("rows"),
        "split": card.get("split"),
        "data_sha256": card.get("data_sha256"),
        "versions": card.get("versions"),
        "figures": card.get("figures") or {},
    }


def as_json(models: Sequence[ShippedModel]) -> str:
    """All of them as one JSON object."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "models": [entry(model) for model in models]}, indent=2)


def as_table(models: Sequence[ShippedModel]) -> str:
    """A card each."""
    lines: list[str] = []
    for model in models:
        card = entry(model)
        lines += [f"{card['name']}  {card['model']}  {card['size_bytes'] / 1024:.0f} KiB  predicts {card['predicts']}"]
        lines += [f"  {name}: {', '.join(card[name])}" for name in _LISTS if card[name]]
        lines += [f"  data: {card['data_sha256']}"] if card["data_sha256"] else []
        lines += _figure_lines(card["figures"])
    return "\n".join(lines) if lines else "no model is installed"


def _figure_lines(figures: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, values in figures.items():
        if isinstance(values, Mapping):
            text = "  ".join(f"{key} {value:.4g}" for key, value in values.items() if isinstance(value, int | float))
            lines.append(f"  {name}: {text}")
        elif isinstance(values, int | float):
            lines.append(f"  {name}: {values:.4g}")
    return lines
