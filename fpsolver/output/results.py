"""``results.json``: everything a run computed, as numbers with errors, in JSON that every parser takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fpsolver.errors import BadUsage
from fpsolver.quantity import Quantity
from fpsolver.runtime import atomic

FILE = "results.json"


def write_results(folder: Path, results: Mapping[str, object]) -> Path:
    """Write ``results.json`` atomically.

    Args:
        folder: The results folder.
        results: Nested mappings and sequences of Quantity, numbers, numpy scalars and arrays, text, paths, None.

    Returns:
        The file.

    Raises:
        ValueError: A plain number is not finite, or a value has no JSON form; the message names its place.
        OSError: The disk refuses.
    """
    path = Path(folder) / FILE
    text = json.dumps(as_json(results), indent=2, ensure_ascii=False, allow_nan=False)
    atomic.write_text(path, text + "\n")
    return path


def read_results(folder: Path, name: str = FILE) -> dict[str, object]:
    """The content of ``results.json``, or of another file with a table at its top.

    Raises:
        BadUsage: The folder has none, or it is not JSON.
    """
    path = Path(folder) / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BadUsage(f"{path}: not there; give the folder of a finished run, such as results/two_minima") from None
    except ValueError as error:
        raise BadUsage(f"{path}: not JSON ({error}); run the case again with --fresh") from None
    if not isinstance(content, dict):
        raise BadUsage(f"{path}: a {type(content).__name__}, not the results of a run")
    return content


def as_json(value: object, place: str = "results") -> object:
    """``value`` in the types of JSON, without NaN or Infinity.

    A Quantity (or a mapping with ``value`` and ``error``, as an eigenvalue with ``imag``) that is not finite becomes
    null with a reason. A plain number has no place for a reason, so there it is an error.

    Raises:
        ValueError: As ``write_results``.
    """
    match value:
        case None | bool() | str():
            return value
        case Quantity():
            return _quantity(value.as_json(), place)
        case Mapping():
            if any(not isinstance(key, str) for key in value):
                raise ValueError(f"{place}: keys {list(value)}; JSON needs text")
            if "value" in value and "error" in value:
                return _quantity(value, place)
            return {key: as_json(entry, f"{place}.{key}") for key, entry in value.items()}
        case list() | tuple():
            return [as_json(entry, f"{place}.{index}") for index, entry in enumerate(value)]
        case np.ndarray() | np.generic():
            return as_json(value.tolist(), place)
        case int():
            return int(value)  # an IntEnum too
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{place}: {value} has no place in JSON; give it as a Quantity with a reason")
            return value
        case Path():
            return str(value)
    raise ValueError(f"{place}: a {type(value).__name__} has no JSON form; convert it to numbers, text or a Quantity")


def _quantity(entry: Mapping[str, object], place: str) -> dict[str, object]:
    """The entry with null in place of numbers that are not finite, and ``why`` beside it."""
    plain = {key: number.item() if isinstance(number, np.generic) else number for key, number in entry.items()}
    broken = [key for key, number in plain.items() if isinstance(number, float) and not math.isfinite(number)]
    reasons = [f"the computed {key} is {'not a number' if plain[key] != plain[key] else 'infinite'}" for key in broken]
    if "value" in broken:
        plain["error"] = None
    for key in broken:
        plain[key] = None
    if broken and plain.get("why") is None:
        plain["why"] = "; ".join(reasons)
    return {key: as_json(number, f"{place}.{key}") for key, number in plain.items()}
