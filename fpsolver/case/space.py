"""``[domain]``: dimension, names of the coordinates, and the shape."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fpsolver.case.ledger import Ledger
from fpsolver.case.mesh_file import MeshTrouble, read_mesh
from fpsolver.case.reading import Reader, Values, exactly_one
from fpsolver.case.schema import MILLION
from fpsolver.case.sections import Ball, Box, Domain, MeshFile
from fpsolver.case.shapes import AROUND
from fpsolver.case.wording import shown

DEFAULT_NAMES = ("x", "y", "z")
FINEST = 1e-10  # size of a cell, relative to its coordinates
MOST_UNKNOWNS = 2**31 - 1  # PETSc of the wheels numbers them with 32 bits
TO_BE_CHOSEN = "not chosen yet"
_KEYS: dict[str, tuple[str, ...]] = {  # beside shape and coordinates
    "box": ("lower", "upper", "cells", "cell_size", "diagonal", "periodic"),
    "ball": ("center", "radius", "cell_size"),
    "annulus": ("center", "radius", "inner_radius", "cell_size"),
    "mesh": ("file", "halvings"),
}


def survey(raw: Mapping[str, Any], folder: Path | None = None) -> tuple[int | None, tuple[str, ...]]:
    """Dimension and coordinate names, read leniently: everything else is checked against them.

    The dimension is what most of the lists in ``[domain]`` say, the first of them in doubt.
    """
    table = raw.get("domain")
    table = table if isinstance(table, dict) else {}
    keys = ("lower", "upper", "center", "cells", "coordinates")
    lengths = [len(table[key]) for key in keys if isinstance(table.get(key), list)]
    votes = [length for length in lengths if 1 <= length <= 3]
    dimension = max(votes, key=votes.count) if votes else None
    if folder is not None and table.get("shape") == "mesh" and isinstance(table.get("file"), str):
        with contextlib.suppress(MeshTrouble):  # told where the domain is read
            dimension = read_mesh(folder / table["file"]).dimension
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
    if shape == "disk" and reader.scope.dimension not in (2, None):
        ledger.add(("domain", "shape"), f"a disk has 2 dimensions, not {reader.scope.dimension}", 'write "ball"')
    kind = {"interval": "box", "disk": "ball"}.get(str(shape), str(shape))
    for key in table:
        home = [other for other, keys in _KEYS.items() if key in keys]
        if home and kind not in home:
            ledger.add(
                ("domain", key), f'does not go with shape = "{shape}"', f"write it with {' or '.join(home)} only"
            )
    found = _SHAPES[kind](reader, table, values)
    return None if found is None else replace(found, grade=values.get("grade", 1.0))


def _box(reader: Reader, table: Mapping[str, Any], values: Values) -> Box | None:
    ledger = reader.ledger
    for key, example in (("lower", "[-2.0, -1.5]"), ("upper", "[2.0, 1.5]")):
        if key not in table:
            ledger.add(("domain", key), "missing", f"write {key} = {example}")
    one = exactly_one(ledger, ("domain",), table, ("cells", "cell_size"), least=0)
    if "diagonal" in table and reader.scope.dimension not in (2, None):
        ledger.add(("domain", "diagonal"), "only rectangles have one", "remove it, or write two coordinates")
    _check_periodic(reader, values)
    if not all(key in values and ledger.clean("domain", key) for key in ("lower", "upper")):
        return None
    lower, upper = values["lower"], values["upper"]
    for index, (low, high) in enumerate(zip(lower, upper, strict=True)):
        if not high > low:
            ledger.add(("domain", "upper", index), f"{high:g} is not above lower ({low:g})", f"write more than {low:g}")
    if not one or not ledger.clean("domain"):
        return None
    chosen, periodic = None, values.get("periodic", ())
    fewest = [AROUND if name in periodic else 1 for name in reader.scope.coordinates]
    if "cells" in values:
        cells = values["cells"]
        _check_around(ledger, reader.scope.coordinates, fewest, cells)
    elif "cell_size" not in values:
        cells, chosen = tuple(2 * least for least in fewest), TO_BE_CHOSEN
    else:
        size = values["cell_size"]
        counts = [(high - low) / size for low, high in zip(lower, upper, strict=True)]
        if max(counts) > MILLION:
            ledger.add(("domain", "cell_size"), f"{size:g} makes more than {MILLION} cells", "write a larger size")
            return None
        cells = tuple(max(least, math.ceil(n * (1 - 1e-12))) for n, least in zip(counts, fewest, strict=True))
    for index, (low, high, count) in enumerate(zip(lower, upper, cells, strict=True)):
        if (high - low) / count < FINEST * max(abs(low), abs(high)):
            wrong = f"cells from {low:g} to {high:g} cannot be told from one another"
            ledger.add(("domain", "upper", index), wrong, "write coordinates that are measured from a nearer point")
    if not ledger.clean("domain"):
        return None
    return Box(lower, upper, cells, reader.scope.coordinates, values.get("diagonal", "right"), chosen, periodic)


def _check_periodic(reader: Reader, values: Values) -> None:
    """Notes words that name no coordinate."""
    names = reader.scope.coordinates
    for index, name in enumerate(values.get("periodic", ())):
        if name not in names:
            listed = " or ".join(f'"{each}"' for each in names)
            wrong = f"{shown(name)} is no coordinate of the domain"
            reader.ledger.add(("domain", "periodic", index), wrong, f"write {listed}, as in domain.coordinates")


def _check_around(ledger: Ledger, names: Iterable[str], fewest: Iterable[int], cells: Iterable[int]) -> None:
    """Notes circles of too few cells."""
    for index, (name, least, count) in enumerate(zip(names, fewest, cells, strict=True)):
        if count < least:
            wrong = f"{count} cells around the periodic coordinate {name}: the first and the last one would meet"
            ledger.add(("domain", "cells", index), wrong, f"write at least {least}")


def _ball(reader: Reader, table: Mapping[str, Any], values: Values) -> Ball | None:
    return _round(reader, table, values, (("center", "[0.0, 0.0]"), ("radius", "1.0")))


def _annulus(reader: Reader, table: Mapping[str, Any], values: Values) -> Ball | None:
    examples = (("center", "[0.0, 0.0]"), ("inner_radius", "0.5"), ("radius", "1.0"))
    return _round(reader, table, values, examples)


def _round(
    reader: Reader, table: Mapping[str, Any], values: Values, examples: Iterable[tuple[str, str]]
) -> Ball | None:
    ledger = reader.ledger
    for key, example in examples:
        if key not in table:
            ledger.add(("domain", key), "missing", f"write {key} = {example}")
    hole, radius = values.get("inner_radius", 0.0), values.get("radius", math.inf)
    if hole >= radius:
        ledger.add(
            ("domain", "inner_radius"), f"{hole:g} is not below radius ({radius:g})", f"write less than {radius:g}"
        )
    elif "cell_size" in values and values["cell_size"] > (radius - hole) / 2.0:
        thick = radius - hole
        ledger.add(("domain", "cell_size"), "at most one cell fits in", f"write {thick / 4.0:.3g} or less")
    if not ledger.clean("domain"):
        return None
    size = values.get("cell_size", (radius - hole) / 4.0)
    if (2.0 * radius / size) ** len(values["center"]) > MILLION * 10:
        ledger.add(("domain", "cell_size"), f"{size:g} makes more than {10 * MILLION} cells", "write a larger size")
        return None
    if size < FINEST * max(abs(place) for place in values["center"]):
        wrong = f"cells of the size {size:g} at such a distance cannot be told from one another"
        ledger.add(("domain", "center"), wrong, "write coordinates that are measured from a nearer point")
        return None
    chosen = None if "cell_size" in values else TO_BE_CHOSEN
    return Ball(values["center"], radius, size, reader.scope.coordinates, hole, chosen)


def _mesh(reader: Reader, table: Mapping[str, Any], values: Values) -> MeshFile | None:
    if "file" not in table:
        reader.ledger.add(("domain", "file"), "missing", 'write file = "../meshes/ring.msh"')
    if "file" not in values:
        return None
    if values["file"].suffix not in (".msh", ".xdmf"):
        reader.ledger.add(("domain", "file"), f"{shown(table['file'])} is no mesh", "write a .msh or .xdmf file")
        return None
    try:
        data = read_mesh(values["file"])
    except MeshTrouble as trouble:
        reader.ledger.add(("domain", "file"), f"{shown(table['file'])}: {trouble.wrong}", trouble.write)
        return None
    names = reader.scope.coordinates
    if "coordinates" in table and len(names) != data.dimension:
        wrong = f"{len(names)} names for a mesh in {data.dimension} dimensions"
        reader.ledger.add(("domain", "coordinates"), wrong, f"write {data.dimension} names")
        return None
    return MeshFile(values["file"], names[: data.dimension], data, values.get("halvings", 0))


def check_numbered(domain: Domain, degree: int, table: Mapping[str, Any], ledger: Ledger) -> None:
    """Notes a mesh whose nodes cannot be numbered; the memory of any computer is full long before."""
    count = float(domain.nodes(degree))
    if count > MOST_UNKNOWNS:
        key = next((key for key in ("cells", "cell_size", "halvings") if key in table), "file")
        wrong = f"{count:.2g} unknowns of degree {degree}, {8.0 * count / 1e9:,.0f} GB for each density alone"
        ledger.add(("domain", key), wrong, f"write fewer or larger cells; up to {MOST_UNKNOWNS:,} can be numbered")


_SHAPES = {"box": _box, "ball": _ball, "annulus": _annulus, "mesh": _mesh}


def coordinate_paths(raw: Mapping[str, Any]) -> list[tuple[str, tuple[str | int, ...]]]:
    """Names given by the user, with their places; the default names cannot be wrong."""
    table = raw.get("domain")
    names = table.get("coordinates") if isinstance(table, dict) else None
    if not isinstance(names, list):
        dimension, defaults = survey(raw)
        return [(name, ("domain",)) for name in defaults] if dimension else []
    return [(name, ("domain", "coordinates", i)) for i, name in enumerate(names) if isinstance(name, str)]
