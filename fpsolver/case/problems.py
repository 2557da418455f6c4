"""What the case asks for: evolution, exits, committors and the rest, and how it is computed and written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Literal

from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.reading import Reader, Values, exactly_one
from fpsolver.case.schema import SECTIONS
from fpsolver.case.sections import (
    Committor,
    Concentration,
    Discretization,
    Entropy,
    Evolution,
    Exit,
    Initial,
    Output,
    Point,
    RunSettings,
    Splitting,
    Stationary,
)
from fpsolver.case.suggest import instead
from fpsolver.case.wording import shown

DEGREE = {1: 4, 2: 4, 3: 2}  # measured best at equal unknowns, by dimension
TOLERANCE = {"krylov": 1e-10, "sdirk": 1e-6}


def default(section: str, name: str) -> Any:
    """The default of a key, from the schema."""
    return SECTIONS[section][name].default


def read_discretization(reader: Reader) -> Discretization:
    """Degree and scheme, with ``auto`` resolved."""
    values = reader.section("discretization") or {}
    scheme = values.get("scheme", "weighted")
    degree = values.get("degree", "auto")
    if scheme == "monotone":
        if degree not in ("auto", 1):
            wrong = f"the monotone scheme has degree 1, not {degree}"
            reader.ledger.add(("discretization", "degree"), wrong, 'write degree = 1, or scheme = "weighted"')
        degree = 1
    return Discretization(DEGREE[reader.scope.dimension or 2] if degree == "auto" else degree, scheme)


def check_region(ledger: Ledger, path: Path, name: object, regions: Iterable[str]) -> None:
    """Notes a reference to a region that is not in ``[regions]``."""
    if isinstance(name, str) and name not in (known := list(regions)):
        ledger.add(path, f"there is no region {shown(name)}", instead(name, known, "a region of [regions]:"))


def read_evolution(reader: Reader, regions: Iterable[str]) -> Evolution | None:
    """Initial density, output times and method; None where absent or wrong."""
    values = reader.section("evolution")
    if values is None:
        return None
    ledger = reader.ledger
    initial = _initial(reader, values["initial"], regions, ("evolution", "initial")) if "initial" in values else None
    method: Literal["krylov", "sdirk"] = "sdirk" if values.get("method") == "sdirk" else "krylov"
    times = _output_times(ledger, reader.raw["evolution"], values)
    if initial is None or times is None or not ledger.clean("evolution"):
        return None
    return Evolution(initial, times[-1], times, values.get("tolerance", TOLERANCE[method]), method)


def _output_times(ledger: Ledger, table: Mapping[str, Any], values: Values) -> tuple[float, ...] | None:
    """Ascending times, the last of which is the end time."""
    path = ("evolution", "output_times")
    exactly_one(ledger, ("evolution",), table, ("frames", "output_times"), least=0)
    end = values.get("end_time")
    if "output_times" not in table:
        if "end_time" not in table:
            ledger.add(("evolution", "end_time"), "missing", "write end_time = 100.0, or output_times")
        if end is None:
            return None
        frames = values.get("frames", default("evolution", "frames"))
        return (*(end * frame / frames for frame in range(1, frames)), end)
    times: tuple[float, ...] | None = values.get("output_times")
    if times is None:
        return None
    if not times:
        ledger.add(path, "the list is empty", "write output_times = [0.1, 1.0, 10.0], or frames")
        return None
    for index, (before, after) in enumerate(pairwise(times)):
        if not after > before:
            ledger.add((*path, index + 1), f"{after:g} does not come after {before:g}", "write ascending times")
    if end is not None and max(times) > end:
        late = times.index(max(times))
        ledger.add((*path, late), f"{times[late]:g} is later than end_time ({end:g})", "write a later end_time")
    return (*times, end) if end is not None and times[-1] < end else times


def _initial(reader: Reader, table: dict[str, Any], regions: Iterable[str], path: Path) -> Initial | None:
    ledger = reader.ledger
    values = reader.table("evolution.initial", table, path)
    one = exactly_one(ledger, path, table, tuple(SECTIONS["evolution.initial"]))
    gaussian: Values = {}
    if "gaussian" in values:
        gaussian = reader.table("evolution.initial.gaussian", values["gaussian"], (*path, "gaussian"))
    if "uniform" in values:
        check_region(ledger, (*path, "uniform"), values["uniform"], regions)
    if not one or not ledger.clean(*path):
        return None
    kind = next(iter(values))
    if kind == "gaussian":
        return Initial("gaussian", mean=gaussian["mean"], std=gaussian["std"])
    if kind == "point":
        return Initial("point", point=values["point"])
    if kind == "uniform":
        return Initial("uniform", region=values["uniform"])
    if kind == "expression":
        return Initial("expression", expression=values["expression"])
    return Initial("file", file=values["file"])


def read_stationary(reader: Reader) -> Stationary | None:
    values = reader.section("stationary")
    if values is None:
        return None
    path = ("stationary", "regularizations")
    regularizations = values.get("regularizations", ())
    if "regularizations" in values and len(regularizations) < 2:
        reader.ledger.add(path, "a limit needs at least two values", "write regularizations = [1e-1, 1e-2, 1e-3]")
    for index, (before, after) in enumerate(pairwise(regularizations)):
        if not after < before:
            reader.ledger.add((*path, index + 1), f"{after:g} is not less than {before:g}", "write descending values")
    return Stationary(values.get("eigenvalues", default("stationary", "eigenvalues")), tuple(regularizations))


def read_exits(reader: Reader, regions: Iterable[str]) -> list[tuple[Path, Exit]]:
    """The right ones of all ``[[exit]]``, with their places."""
    exits: list[tuple[Path, Exit]] = []
    for path, values in reader.entries("exit"):
        check_region(reader.ledger, (*path, "region"), values.get("region"), regions)
        initial = _initial(reader, values["initial"], regions, (*path, "initial")) if "initial" in values else None
        _check_exit_lists(reader.ledger, path, values)
        if reader.ledger.clean(*path):
            moments = values.get("moments", default("exit", "moments"))
            levels, times = (tuple(values.get(name, ())) for name in ("noise_levels", "times"))
            wanted = values.get("enclosure", default("exit", "enclosure"))
            bounds = wanted == "always" or (wanted == "auto" and reader.scope.dimension == 1)
            start = values.get("start", ())
            exits.append((path, Exit(values["region"], start, moments, initial, levels, times, bounds)))
    return exits


def _check_exit_lists(ledger: Ledger, path: Path, values: Values) -> None:
    levels = values.get("noise_levels", ())
    if "noise_levels" in values and len(set(levels)) < max(len(levels), 2):
        wrong = "the slope of a fit needs at least two different values" if len(levels) < 2 else "a value comes twice"
        ledger.add((*path, "noise_levels"), wrong, "write noise_levels = [0.1, 0.05, 0.03, 0.02]")
    for index, (before, after) in enumerate(pairwise(values.get("times", ()))):
        if not after > before:
            ledger.add(
                (*path, "times", index + 1), f"{after:g} does not come after {before:g}", "write ascending times"
            )


def read_committors(reader: Reader, regions: Iterable[str]) -> list[tuple[Path, Committor]]:
    """The right ones of all ``[[committor]]``, with their places."""
    committors: list[tuple[Path, Committor]] = []
    for path, values in reader.entries("committor"):
        for key in ("source", "target"):
            check_region(reader.ledger, (*path, key), values.get(key), regions)
        if values.get("source") == values.get("target") is not None:
            reader.ledger.add((*path, "target"), "source and target are the same region", "write two regions")
        if reader.ledger.clean(*path):
            committors.append((path, Committor(values["source"], values["target"])))
    return committors


def read_probes(reader: Reader) -> list[tuple[Path, Point]]:
    """All right points of ``[[probe]]``, with their places."""
    return [((*path, "point"), values["point"]) for path, values in reader.entries("probe") if "point" in values]


def read_entropy(reader: Reader) -> Entropy | None:
    values = reader.section("entropy")
    if values is None:
        return None
    if "evolution" not in reader.raw:
        reader.ledger.add(("entropy",), "an entropy needs an evolution", "write [evolution], or remove the section")
    return Entropy(*(values.get(name, default("entropy", name)) for name in ("kinds", "power")))


def read_splitting(reader: Reader) -> Splitting | None:
    values = reader.section("splitting")
    if values is None:
        return None
    for section, remedy in (("evolution", "whose initial density is split"), ("loss", "whose minima share the mass")):
        if section not in reader.raw:
            reader.ledger.add(
                ("splitting",), f"needs [{section}]", f"write [{section}], {remedy}, or remove the section"
            )
    return Splitting(values.get("radius"))


def read_concentration(reader: Reader) -> Concentration | None:
    values = reader.section("concentration")
    if values is None:
        return None
    path, ledger = ("concentration",), reader.ledger
    for section, remedy in (("evolution", "whose density gathers"), ("loss", "whose minima it gathers at")):
        if section not in reader.raw:
            ledger.add(path, f"needs [{section}]", f"write [{section}], {remedy}, or remove the section")
    domain = reader.raw.get("domain")
    if isinstance(domain, dict) and domain.get("periodic"):
        wrong = "its balls measure distances along straight lines, and a coordinate is periodic"
        ledger.add(path, wrong, "remove the section, or domain.periodic")
    radius, within = (values.get(name) for name in ("radius", "within"))
    if radius is not None and within is not None and within >= radius:
        ledger.add((*path, "within"), f"{within:g} is not less than the radius, {radius:g}", "write a smaller number")
    share, tolerance = (values.get(name, default("concentration", name)) for name in ("share", "tolerance"))
    return Concentration(radius, within, share, tolerance)


def read_output(reader: Reader) -> Output:
    values = reader.section("output") or {}
    return Output(*(values.get(name, default("output", name)) for name in ("format", "figures")))


def read_run(reader: Reader) -> RunSettings:
    values = reader.section("run") or {}
    every = _seconds(reader, values, "checkpoint_every", "")
    return RunSettings(
        _seconds(reader, values, "walltime", '"auto", or '),
        values.get("errors", default("run", "errors")),
        0.0 if every is None else every,
        values.get("checkpoint_states"),
    )


def _seconds(reader: Reader, values: Mapping[str, Any], name: str, others: str) -> float | None:
    """A time that is written as HH:MM:SS; None where it says auto, or is none."""
    text = values.get(name, default("run", name))
    if text == "auto" and others:
        return None
    found = re.fullmatch(r"(\d{1,6}):([0-5]\d):([0-5]\d)", text)
    if found is None:
        reader.ledger.add(("run", name), f"{shown(text)} is no time", f'write {others}"02:30:00" for HH:MM:SS')
        return None
    hours, minutes, seconds = (int(part) for part in found.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds
