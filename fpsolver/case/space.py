"""``[domain]``: dimension, names of the coordinates, and the shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fpsolver.case.reading import Reader, Values, exactly_one
from fpsolver.case.schema import MILLION
from fpsolver.case.sections import Ball, Box, Domain, MeshFile
from fpsolver.case.wording import shown

DEFAULT_NAMES = ("x", "y", "z")
_KEYS: dict[str, tuple[str, ...]] = {  # beside shape and coordinates
    "box": ("lower", "upper", "cells", "cell_size", "diagonal"),
    "ball": ("center", "radius", "cell_size"),
    "mesh": ("file",),
}


def survey(raw: Mapping[str, Any]) -> tuple[int | None, tuple[str, ...]]:
    """Dimension and coordinate names, read leniently: everything else is checked against them.

    The dimension is what most of the lists in ``[domain]`` say, the first of them in doubt.
    """
    table = raw.get("domain")
    table = table if isinstance(table, dict) else {}
    keys = ("lower", "upper", "center", "cells", "coordinates")
    lengths = [len(table[key]) for key in keys if isinstance(table.get(key), list)]
    votes = [length for length in lengths if 1 <= length <= 3]
    dimension = max(votes, key=votes.count) if votes else None
    names = table.get("coordinates")
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return dimension, tuple(names[: dimension or 3])
    return dimension, DEFAULT_NAMES[: dimension or 3]


def read_domain(reader: Reader) -> Domain | None:
    """The domain, None where something is wrong with it."""
    ledger = reader.ledger
    values = reader.section("domain")
    if values is None:
        if "domain" not in reader.raw:
            ledger.add(
                ("domain",), "the section is missing", 'write [domain] with shape = "box", lower, upper and cells'
            )
        return None
    table = reader.raw["domain"]
    for key in ("lower", "upper", "center", "coordinates"):
        if isinstance(table.get(key), list) and not 1 <= len(table[key]) <= 3 and reader.scope.dimension is None:
            ledger.add(("domain", key), f"{len(table[key])} dimensions", "write 1, 2 or 3 entries")
    shape = values.get("shape", "box")
    if "shape" in table and "shape" not in values:
        return None
    if shape == "interval" and reader.scope.dimension not in (1, None):
        ledger.add(("domain", "shape"), f"an interval has 1 dimension, not {reader.scope.dimension}", 'write "box"')
    kind = "box" if shape == "interval" else shape
    for key in table:
        home = [other for other, keys in _KEYS.items() if key in keys]
        if home and kind not in home:
            ledger.add(
                ("domain", key), f'does not go with shape = "{shape}"', f"write it with {' or '.join(home)} only"
            )
    return _SHAPES[kind](reader, table, values)


def _box(reader: Reader, table: Mapping[str, Any], values: Values) -> Box | None:
    ledger = reader.ledger
    for key, example in (("lower", "[-2.0, -1.5]"), ("upper", "[2.0, 1.5]")):
        if key not in table:
            ledger.add(("domain", key), "missing", f"write {key} = {example}")
    one = exactly_one(ledger, ("domain",), table, ("cells", "cell_size"))
    if "diagonal" in table and reader.scope.dimension not in (2, None):
        ledger.add(("domain", "diagonal"), "only rectangles have one", "remove it, or write two coordinates")
    if not all(key in values and ledger.clean("domain", key) for key in ("lower", "upper")):
        return None
    lower, upper = values["lower"], values["upper"]
    for index, (low, high) in enumerate(zip(lower, upper, strict=True)):
        if not high > low:
            ledger.add(("domain", "upper", index), f"{high:g} is not above lower ({low:g})", f"write more than {low:g}")
    if not one or not ("cells" in values or "cell_size" in values) or not ledger.clean("domain"):
        return None
    if "cells" in values:
        cells = values["cells"]
    else:
        size = values["cell_size"]
        counts = [(high - low) / size for low, high in zip(lower, upper, strict=True)]
        if max(counts) > MILLION:
            ledger.add(("domain", "cell_size"), f"{size:g} makes more than {MILLION} cells", "write a larger size")
            return None
        cells = tuple(max(1, math.ceil(count * (1 - 1e-12))) for count in counts)
    return Box(lower, upper, cells, reader.scope.coordinates, values.get("diagonal", "right"))


def _ball(reader: Reader, table: Mapping[str, Any], values: Values) -> Ball | None:
    missing = False
    for key, example in (("center", "[0.0, 0.0]"), ("radius", "1.0"), ("cell_size", "0.1")):
        if key not in table:
            reader.ledger.add(("domain", key), "missing", f"write {key} = {example}")
            missing = True
    if missing or not reader.ledger.clean("domain"):
        return None
    return Ball(values["center"], values["radius"], values["cell_size"], reader.scope.coordinates)


def _mesh(reader: Reader, table: Mapping[str, Any], values: Values) -> MeshFile | None:
    if "file" not in table:
        reader.ledger.add(("domain", "file"), "missing", 'write file = "../meshes/ring.msh"')
    if "file" not in values:
        return None
    if values["file"].suffix not in (".msh", ".xdmf"):
        reader.ledger.add(("domain", "file"), f"{shown(table['file'])} is no mesh", "write a .msh or .xdmf file")
        return None
    return MeshFile(values["file"], reader.scope.coordinates)


_SHAPES = {"box": _box, "ball": _ball, "mesh": _mesh}


def coordinate_paths(raw: Mapping[str, Any]) -> list[tuple[str, tuple[str | int, ...]]]:
    """Names given by the user, with their places; the default names cannot be wrong."""
    table = raw.get("domain")
    names = table.get("coordinates") if isinstance(table, dict) else None
    if not isinstance(names, list):
        dimension, defaults = survey(raw)
        return [(name, ("domain",)) for name in defaults] if dimension else []
    return [(name, ("domain", "coordinates", i)) for i, name in enumerate(names) if isinstance(name, str)]
