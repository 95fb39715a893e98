"""A network and its optimizer as bytes, without pickle.

Owns the layout: tensors in a tensor file, numbers in JSON beside them inside the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from costmodel.models.neural.packages import torch
from costmodel.models.tensors import pack_tensors, unpack_tensors

_NUMBERS = "numbers"


def pack_state(network: Any, optimizer: Any, best: Mapping[str, Any], numbers: Mapping[str, Any]) -> bytes:
    """Weights, the optimizer's state, the best weights so far, and some numbers."""
    arrays = {f"network/{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
    arrays |= {f"best/{name}": value.cpu().numpy() for name, value in best.items()}
    document = optimizer.state_dict()
    scalars: dict[str, dict[str, Any]] = {}
    for index, entries in document["state"].items():
        for name, value in entries.items():
            if torch().is_tensor(value):
                arrays[f"optimizer/{index}/{name}"] = value.cpu().numpy()
            elif value is None or isinstance(value, bool | int | float | str):
                scalars.setdefault(str(index), {})[name] = value
    groups = [{n: v for n, v in group.items() if _plain(v)} for group in document["param_groups"]]
    text = json.dumps({"numbers": dict(numbers), "scalars": scalars, "groups": groups})
    arrays[_NUMBERS] = np.frombuffer(text.encode(), np.uint8)
    return pack_tensors(arrays)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def unpack_state(data: bytes, network: Any, optimizer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put weights and state back; the best weights and the numbers."""
    arrays = unpack_tensors(data)
    document = json.loads(arrays.pop(_NUMBERS).tobytes())
    parts: dict[str, dict[str, Any]] = {"network": {}, "best": {}, "optimizer": {}}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = torch().from_numpy(array)
    network.load_state_dict(parts["network"])
    state: dict[int, dict[str, Any]] = {int(i): dict(entries) for i, entries in document["scalars"].items()}
    for name, tensor in parts["optimizer"].items():
        index, _, rest = name.partition("/")
        state.setdefault(int(index), {})[rest] = tensor
    fresh = optimizer.state_dict()
    groups = [{**group, **kept} for group, kept in zip(fresh["param_groups"], document["groups"], strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return parts["best"], document["numbers"]
