"""``[schedule]``: learning rate, batch size or noise that change with time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from fpsolver.case.course import TIME, Course, Schedule
from fpsolver.case.expressions import ExpressionError, constant_expression, parse
from fpsolver.case.positions import Path
from fpsolver.case.problems import TOLERANCE
from fpsolver.case.reading import Reader, exactly_one
from fpsolver.case.schema import SECTIONS
from fpsolver.case.sections import Discretization, Evolution, Noise
from fpsolver.case.values import Converter

MOST_PIECES = 5_000
KINDS = ("piecewise", "linear", "decay", "cyclic")
SHAPES = "schedule.learning_rate"
"""The section of the schema whose keys stand in the table of any function of time."""

PROBES = 33
"""Times between two switches at which signs are checked."""

Pieces = list[tuple[float, str]]
"""Start of a piece -> its expression in t."""


def read_schedule(
    reader: Reader, evolution: Evolution | None, noise: Noise | None, discretization: Discretization
) -> Schedule | None:
    """The schedule; None where it is absent or wrong."""
    values = reader.section("schedule")
    if values is None:
        return None
    ledger, path = reader.ledger, ("schedule",)
    if "evolution" not in reader.raw:
        ledger.add(path, "a schedule needs an evolution", "write [evolution], or remove the section")
    if not values and ledger.clean("schedule"):
        ledger.add(path, "the section is empty", 'write learning_rate = "0.1/(1 + t/50)", or remove the section')
    if TIME in reader.scope.parameters:
        advice = "write another name for the parameter"
        ledger.add(("parameters", TIME), f"{TIME} is the time in [schedule]", advice)
    if evolution is None or noise is None or not ledger.clean("schedule"):
        return None
    fitting = ("diffusion",) if noise.kind == "diffusion" else ("learning_rate", "batch_size")
    for name in values:
        if name not in fitting:
            wrong = f"the case has noise.{noise.kind}, and no {name} that could change"
            ledger.add(("schedule", name), wrong, f"write {' or '.join(f'schedule.{one}' for one in fitting)}")
    starts = {"learning_rate": noise.learning_rate, "batch_size": noise.batch_size, "diffusion": 1.0}
    courses = {
        name: _Reading(reader, ("schedule", name), starts[name] or 1.0, evolution.end_time).course(value)
        for name, value in values.items()
        if name in fitting
    }
    if not ledger.clean("schedule"):
        return None
    switches = {time for course in courses.values() if course for time in course.switches(evolution.end_time)}
    reference = (noise.learning_rate or 1.0, noise.batch_size or 1.0)
    schedule = Schedule(
        courses.get("learning_rate"),
        courses.get("batch_size"),
        courses.get("diffusion"),
        reference,
        (0.0, *sorted(switches), evolution.end_time),
    )
    _check_signs(reader, schedule)
    if ledger.clean("schedule") and discretization.scheme == "monotone" and schedule.varies:
        advice = 'write piecewise = [[0.0, 0.1], [50.0, 0.01]], or scheme = "weighted"'
        ledger.add(path, "the monotone scheme cannot follow values that vary smoothly", advice)
    return schedule if ledger.clean("schedule") else None


def suited(evolution: Evolution | None, schedule: Schedule | None, raw: Mapping[str, Any]) -> Evolution | None:
    """The evolution with the tolerance that is meant where none is written: that of sdirk, where it is needed."""
    if evolution is None or schedule is None or "tolerance" in raw["evolution"] or not schedule.varies:
        return evolution
    return replace(evolution, tolerance=TOLERANCE["sdirk"])


def _check_signs(reader: Reader, schedule: Schedule) -> None:
    courses = {
        "learning_rate": schedule.learning_rate,
        "batch_size": schedule.batch_size,
        "diffusion": schedule.diffusion,
    }
    for name, course in courses.items():
        for start, end in schedule.legs() if course else ():
            assert course is not None
            times = np.linspace(start, end, PROBES)
            found = course.between(start, end)(times)
            lowest = "> 0" if name == "batch_size" else ">= 0"
            right = np.isfinite(found) & ((found > 0.0) if name == "batch_size" else (found >= 0.0))
            if not right.all():
                worst = int(np.argmin(right))
                wrong = f"the value is {found[worst]:g} at t = {times[worst]:.6g}"
                reader.ledger.add(("schedule", name), wrong, f"write a function that is finite and {lowest}")
                break


class _Reading:
    """Reads one function of time; what is wrong is noted.

    Args:
        reader: Of the case.
        path: Of the key.
        usual: The value in ``[noise]``, which a bare warm-up leads to.
        end: The end of the evolution.
    """

    def __init__(self, reader: Reader, path: Path, usual: float, end: float) -> None:
        self.reader = reader
        self.ledger = reader.ledger
        self.path = path
        self.usual = usual
        self.end = end
        self.clock = TIME  # from the end of a warm-up on

    def course(self, value: object) -> Course | None:
        if isinstance(value, dict):
            return self.table(value)
        if isinstance(value, str):
            parameters = {name: number for name, number in self.reader.scope.parameters.items() if name != TIME}
            try:
                return Course((0.0,), (parse(value, (TIME,), parameters),))
            except ExpressionError as error:
                self.ledger.add(self.path, error.wrong, error.write)
                return None
        key = SECTIONS["schedule"][str(self.path[-1])]
        number = Converter(key, self.ledger, self.reader.scope).any_number(value, self.path)
        return None if number is None else Course((0.0,), (constant_expression(number),))

    def table(self, table: dict[str, Any]) -> Course | None:
        values = self.reader.table(SHAPES, table, self.path)
        exactly_one(self.ledger, self.path, table, KINDS, least=0 if "warmup" in table else 1)
        if "warmup" in table and self.path[-1] == "batch_size":
            self.ledger.add(
                (*self.path, "warmup"), "a batch cannot begin with size 0", "write linear, or an expression"
            )
        if not self.ledger.clean(*self.path):
            return None
        rise = float(values.get("warmup", 0.0))
        if rise > 0.0:
            self.clock = f"({TIME} - {rise!r})"
        kinds = {"piecewise": self.piecewise, "linear": self.linear, "decay": self.decay, "cyclic": self.cyclic}
        kind = next((kind for kind in KINDS if kind in values), None)
        pieces = [(0.0, repr(self.usual))] if kind is None else kinds[kind](values[kind], (*self.path, kind))
        if pieces is None or not self.ledger.clean(*self.path):
            return None
        if len(pieces) > MOST_PIECES:
            self.ledger.add(self.path, f"{len(pieces)} pieces until the end time", f"write at most {MOST_PIECES}")
            return None
        later = [(start + rise, parse(text, (TIME,))) for start, text in pieces]
        if rise > 0.0:  # a straight line from 0 to what the rest begins with
            first = float(later[0][1].evaluate({TIME: rise}))
            later = [(0.0, parse(f"({first / rise!r})*{TIME}", (TIME,))), *later]
        return Course(tuple(start for start, _ in later), tuple(piece for _, piece in later))

    def points(self, value: object, path: Path) -> list[tuple[float, float]] | None:
        """[[time, value], ...] with times that ascend from 0."""
        converter = Converter(SECTIONS[SHAPES][str(path[-1])], self.ledger, self.reader.scope)
        if not isinstance(value, list) or not value:
            converter.wrong(value, path, "a list of [time, value]")
            return None
        found: list[tuple[float, float]] = []
        for index, pair in enumerate(value):
            if not isinstance(pair, list) or len(pair) != 2:
                converter.wrong(pair, (*path, index), "a pair [time, value]")
                return None
            time, number = (converter.any_number(entry, (*path, index, i)) for i, entry in enumerate(pair))
            if time is None or number is None:
                return None
            if not found and time != 0.0:
                self.ledger.add((*path, 0), f"the first time is {time:g}", "write [0.0, value] first")
                return None
            if found and not time > found[-1][0]:
                wrong = f"{time:g} does not come after {found[-1][0]:g}"
                self.ledger.add((*path, index), wrong, "write ascending times")
                return None
            found.append((time, number))
        return found

    def piecewise(self, value: object, path: Path) -> Pieces | None:
        points = self.points(value, path)
        return None if points is None else [(time, repr(number)) for time, number in points]

    def linear(self, value: object, path: Path) -> Pieces | None:
        points = self.points(value, path)
        return None if points is None else self.straight(points)

    def decay(self, value: dict[str, Any], path: Path) -> Pieces | None:
        values = self.reader.table(f"{SHAPES}.decay", value, path)
        if not self.ledger.clean(*path):
            return None
        first, last, time = (float(values[name]) for name in ("from", "to", "time"))
        change = f"({first - last!r})"
        match values.get("shape", "exponential"):
            case "exponential":
                return [(0.0, f"{last!r} + {change}*exp(-{self.clock}/{time!r})")]
            case "inverse":
                return [(0.0, f"{last!r} + {change}/(1 + {self.clock}/{time!r})")]
            case "cosine":
                return [(0.0, f"{last!r} + {change}*(1 + cos(pi*{self.clock}/{time!r}))/2"), (time, repr(last))]
        return self.straight([(0.0, first), (time, last)])

    def cyclic(self, value: dict[str, Any], path: Path) -> Pieces | None:
        values = self.reader.table(f"{SHAPES}.cyclic", value, path)
        if not self.ledger.clean(*path):
            return None
        low, high, period = (float(values[name]) for name in ("low", "high", "period"))
        cycles = math.ceil(self.end / period)
        if cycles > MOST_PIECES // 2:
            wrong = f"{self.end / period:.6g} periods until the end time"
            self.ledger.add((*path, "period"), wrong, f"write a period of at least {2 * self.end / MOST_PIECES:.3g}")
            return None
        swing = f"({high - low!r})"
        match values.get("shape", "triangle"):
            case "cosine":
                return [(0.0, f"{low!r} + {swing}*(1 - cos(2*pi*{self.clock}/{period!r}))/2")]
            case "restart":
                return [
                    (i * period, f"{low!r} + {swing}*(1 + cos(pi*({self.clock} - {i * period!r})/{period!r}))/2")
                    for i in range(cycles)
                ]
        tops = [(i * period / 2, high if i % 2 else low) for i in range(2 * cycles + 1)]
        return self.straight(tops)

    def straight(self, points: list[tuple[float, float]]) -> Pieces:
        """Straight lines between points, and the last value from then on."""
        lines = [
            (start, f"{one!r} + ({(two - one) / (end - start)!r})*({self.clock} - {start!r})")
            for (start, one), (end, two) in pairwise(points)
        ]
        return [*lines, (points[-1][0], repr(points[-1][1]))]
