"""``[boundary]``: which part absorbs, and what comes in through another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.fields import value
from fpsolver.case.ledger import Ledger
from fpsolver.case.reading import Reader, exactly_one
from fpsolver.case.sampling import boundary_points
from fpsolver.case.sections import Boundary, Domain
from fpsolver.case.wording import named

Array = NDArray[np.float64]

ROOM = 'write a condition that holds on a part of the boundary, with some room: "x > 1.99" for a side at x = 2'


def read_boundary(reader: Reader) -> Boundary | None:
    """The section; None where it is absent."""
    values = reader.section("boundary")
    if values is None:
        return None
    ledger, path, table = reader.ledger, ("boundary",), reader.raw["boundary"]
    exactly_one(ledger, path, table, ("absorbing", "group"))
    domain = reader.raw.get("domain")
    if isinstance(domain, dict) and domain.get("shape", "box") != "mesh":
        for key, other in (("group", 'absorbing = "x > 1.99"'), ("influx_group", 'influx_on = "x < -1.99"')):
            if key in table:
                ledger.add((*path, key), "only a mesh file has named groups", f"write {other}")
    if "influx" in table:
        exactly_one(ledger, path, table, ("influx_on", "influx_group"))
        if "evolution" not in reader.raw and "stationary" not in reader.raw:
            advice = "write [evolution] or [stationary], or remove it"
            ledger.add((*path, "influx"), "neither an evolution nor a stationary state asks what comes in", advice)
    else:
        for key in ("influx_on", "influx_group"):
            if key in table:
                ledger.add((*path, key), "only used with influx", 'write influx = "1.0", or remove it')
        if "stationary" in reader.raw and ledger.clean("stationary"):
            wrong = "all mass is absorbed in the end, and nothing stationary is left"
            advice = 'write boundary.influx = "1.0" with influx_on, or remove [stationary]'
            ledger.add(("stationary",), wrong, advice)
    asked = reader.raw.get("stationary")
    for key in ("eigenvalues", "regularizations"):
        if isinstance(asked, dict) and key in asked:
            wrong = "what stands between an influx and an absorbing boundary has none"
            advice = "remove it; the rate of an [[exit]] is the first eigenvalue there"
            ledger.add(("stationary", key), wrong, advice)
    keys = ("absorbing", "group", "influx", "influx_on", "influx_group")
    return Boundary(*(values.get(key) for key in keys))


def check_boundary(boundary: Boundary, domain: Domain, ledger: Ledger) -> None:
    """Notes what is wrong at points of the boundary."""
    names, points = domain.coordinates, boundary_points(domain)
    everywhere, nowhere = np.ones(len(points), dtype=bool), np.zeros(len(points), dtype=bool)
    absorbs, enters = nowhere, nowhere
    for key, level, what in (
        ("absorbing", boundary.absorbing, "no point of the boundary is absorbing"),
        ("influx_on", boundary.influx_on, "no point of the boundary is inside"),
    ):
        if level is None:
            continue
        found = value(level, names, points)
        if not _finite(("boundary", key), found, points, names, ledger):
            return
        if not (found < 0).any():
            ledger.add(("boundary", key), what, ROOM)
        if key == "absorbing":
            absorbs = found < 0
        else:
            enters = found < 0
    if (absorbs & enters).sum() > 1:  # a corner may belong to both
        where = named(names, points[int((absorbs & enters).argmax())])
        wrong = f"at {where} the boundary absorbs, so nothing can come in there"
        ledger.add(("boundary", "influx_on"), wrong, "write a condition that holds on a reflecting part alone")
    if boundary.influx is None:
        return
    found = value(boundary.influx, names, points)
    looked = enters if boundary.influx_on is not None else everywhere
    if not looked.any() or not _finite(("boundary", "influx"), found[looked], points[looked], names, ledger):
        return
    if (found[looked] < 0).any():
        worst = int(np.where(looked, found, np.inf).argmin())
        wrong = f"the influx is {found[worst]:g} at {named(names, points[worst])}"
        ledger.add(("boundary", "influx"), wrong, "write what comes in, >= 0; what leaves follows from absorbing")
    elif not (found[looked] > 0).any():
        ledger.add(("boundary", "influx"), "the influx is 0 everywhere", "write a positive one, or remove it")


def _finite(path: tuple[str, ...], found: Array, points: Array, names: tuple[str, ...], ledger: Ledger) -> bool:
    bad = ~np.isfinite(found)
    if bad.any():
        worst = int(bad.argmax())
        wrong = f"the value is {found[worst]:g} at {named(names, points[worst])}"
        ledger.add(path, wrong, "write an expression that is finite on the whole boundary")
    return not bad.any()
