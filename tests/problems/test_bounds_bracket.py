"""lower <= mean time <= upper, for the exact mean time and for the computed one, wherever a bound says that it applies.

Each outing has exact times: formulas, integrals along a line or a radius, or numbers of benchmarks/references. Which
of the bounds apply is stated too, for a bound that never applies brackets everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import exact
from tests.problems.answers import reference, solved
from tests.problems.cases import box
from tests.problems.texts import WELLS, brownian, leave, line, plane, regions

Array = np.typing.NDArray[np.float64]

D = 0.3
"""Of Brownian motion."""

ROUND_OFF = 1e-9
"""Without a barrier the bounds are the time itself."""


@dataclass(frozen=True)
class Outing:
    """A case with exact mean times.

    Attributes:
        text: Of the case, without its exit.
        region: What is left.
        times: Start -> mean time.
        applies: Which bounds apply at all starts; none does at others.
        accuracy: Of the computed times, relative, on a mesh that is small.
    """

    text: str
    region: str
    times: dict[tuple[float, ...], float]
    applies: tuple[str, ...] = ("lower", "upper")
    accuracy: float = 1e-3


def over_the_ridge(d: float, end: float, tilt: float = 0.0) -> float:
    """From -1 in (x^2 - 1)^2/4 + tilt x on [-2, 2]."""
    means, _ = exact.exit_times_on_a_line(
        lambda x: x**3 - x + tilt, lambda x: np.full_like(x, d), (-2.0, end), [-1.0], moments=1
    )
    return float(means[0, 0])


def radial(d: float, dimension: int, start: float = 0.0) -> float:
    """Out of the unit ball in |x|^2/2: -u'(r) = r^(1-n) e^(r^2/2d) times the integral of s^(n-1) e^(-s^2/2d)/d to r."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    edges = np.linspace(start, 1.0, 201)
    r = (edges[:-1, None] + edges[1:, None] + np.diff(edges)[:, None] * nodes) / 2
    s = r[..., None] * (nodes + 1) / 2
    inner = (weights * (s / r[..., None]) ** (dimension - 1) * np.exp((r[..., None] ** 2 - s**2) / (2 * d))).sum(
        axis=-1
    )
    return float((weights * (inner * r / (2 * d)) * np.diff(edges)[:, None] / 2).sum())


def degenerate_line(d: float, low: float, high: float, start: float) -> float:
    """D = d x^2, f = x^2/2, out of (low, high) on both sides: in s = log x it has drift -(1 + d) and noise d."""
    a, b, s, p = np.log(low), np.log(high), np.log(start), (1.0 + d) / d
    right = (np.exp(p * s) - np.exp(p * a)) / (np.exp(p * b) - np.exp(p * a))
    return float((s - a - right * (b - a)) / (1.0 + d))


def ring(r: float) -> float:
    """Brownian motion out of 1/2 < r < 2 through both rims."""
    return float((4 - r**2 - 3.75 * np.log(2 / r) / np.log(4)) / (4 * D))


def bowl(dimension: int, cells: int, d: float, accuracy: float) -> Outing:
    """|x|^2/2 in a ball."""
    names = "xyz"[:dimension]
    square = " + ".join(f"{x}**2" for x in names)
    text = box([-1.2] * dimension, [1.2] * dimension, [cells] * dimension)
    text += f'[loss]\nexpression = "({square})/2"\n[noise]\ndiffusion = {d}\n'
    if dimension == 3:
        text += "[discretization]\ndegree = 1\n"
    nowhere = (0.0,) * (dimension - 1)
    times = {(x, *nowhere): radial(d, dimension, x) for x in (0.0, 0.6)}
    return Outing(text, f"{square} < 1", times, accuracy=accuracy)


def known(
    name: str, text: str, starts: Sequence[tuple[float, ...]], applies: tuple[str, ...], accuracy: float
) -> Outing:
    """Times of benchmarks/references."""
    times = {start: reference(name, f"exit.0.starts.{i}.mean") for i, start in enumerate(starts)}
    return Outing(text, "x < 0", times, applies, accuracy)


def wells(d: float, end: float, dimension: int) -> Outing:
    """Of two equal ones the left one, or both up to the far minimum."""
    text = line(WELLS.split(" + ")[0], d) if dimension == 1 else plane(WELLS, d, (12, 9))
    return Outing(text, f"x < {end}", {(-1.0, 0.0)[:dimension]: over_the_ridge(d, end)})


BENT = "(x**2 - 1)**2/4 + (y + 0.5*(x**2 - 1))**2 + (z - 0.5*x*y)**2"
SLANTED = "(x**2 - 1)**2/4 + 2*(y - x/2)**2"
SQUARES = '[["0.1*(0.3 + 0.5*x*x)", "0.05*x*y"], ["0.05*x*y", "0.1*(0.3 + 0.5*y*y)"]]'
BOX_3 = box([-2.0, -1.5, -1.5], [2.0, 1.5, 1.5], [8, 6, 6])
INERTIA = box([-2.5, -3.0], [2.5, 3.0], [20, 20]).replace("cells", 'coordinates = ["x", "p"]\ncells')
INERTIA += (
    '[drift]\nextra = ["p", "-(x**3 - x) - p"]\n[noise]\ndiffusion = [["0", "0"], ["0", "0.2"]]\n'
    'potential = "((x**2 - 1)**2/4 + p**2/2)/0.2"\n'
)

OUTINGS: dict[str, Callable[[], Outing]] = {
    **{
        f"{dimension}-D wells to {end:g}, D = {d}": lambda d=d, end=end, dimension=dimension: wells(d, end, dimension)
        for dimension in (1, 2)
        for d in (0.1, 0.02)
        for end in (0.0, 1.0)
    },
    "tilted wells": lambda: Outing(
        line("(x**2 - 1)**2/4 + 0.1*x", 0.05), "x < 0", {(-1.0,): over_the_ridge(0.05, 0.0, 0.1)}
    ),
    "bowl in the plane": lambda: bowl(2, 12, 0.1, 1e-3),
    "steep bowl in the plane": lambda: bowl(2, 12, 0.04, 1e-2),
    "bowl in space": lambda: bowl(3, 6, 0.1, 0.5),
    "disc": lambda: Outing(
        brownian([-1.2, -1.2], [1.2, 1.2], [10, 10], D),
        "x**2 + y**2 < 1",
        {(0.0, 0.0): 1 / (4 * D), (0.3, -0.6): 0.55 / (4 * D)},
    ),
    "ring": lambda: Outing(
        brownian([-2.1, -2.1], [2.1, 2.1], [20, 20], D),
        "x**2 + y**2 < 4 and x**2 + y**2 > 0.25",
        {(1.0, 0.0): ring(1.0), (0.9, 1.2): ring(1.5)},
    ),
    "noise that vanishes outside": lambda: Outing(
        line("x**2/2", "0.3*x**2", ends=(0.05, 1.2)),
        "(x - 0.1)*(x - 1) < 0",
        {(0.5,): degenerate_line(0.3, 0.1, 1.0, 0.5)},
    ),
    "noise that nearly vanishes": lambda: Outing(
        line("x**2/2", "0.3*(0.01 + x**2)", 100, (-5.0, 5.0)),
        "x**2 < 1",
        {(0.0,): reference("R6", "exit.0.starts.0.mean", "parameters.floor=0.01")},
    ),
    "oblique noise": lambda: known(
        "R10a",
        plane(SLANTED, '[["0.1", "0.06"], ["0.06", "0.1"]]', (12, 9)),
        [(-1.0, 0.0), (-1.0, -0.5), (-0.5, 0.3)],
        ("lower",),
        1e-3,
    ),
    "noise in one direction": lambda: known(
        "R10b",
        plane(SLANTED, '[["0.1", "0.1"], ["0.1", "0.1"]]', (12, 9)),
        [(-1.0, 0.0), (-1.0, -0.5), (-0.5, 0.3)],
        ("lower",),
        2e-2,
    ),
    "noise like squares": lambda: known(
        "R10c", plane(WELLS, SQUARES, (12, 9)), [(-1.0, 0.0), (-0.5, 0.3)], ("lower", "upper"), 1e-2
    ),
    "inertia": lambda: known("R5", INERTIA, [(-1.0, 0.0)], ("lower",), 2e-2),
    "bent wells in space": lambda: known(
        "R7b",
        BOX_3 + f'[loss]\nexpression = "{BENT}"\n[noise]\ndiffusion = 0.1\n[discretization]\ndegree = 1\n',
        [(-1.0, 0.0, 0.0), (-1.2, -0.2, 0.1)],
        ("lower", "upper"),
        0.3,
    ),
}


def value(entry: Any) -> float | None:
    """The number of an entry; one that is missing says why."""
    assert entry["value"] is not None or entry["why"]
    return None if entry["value"] is None else float(entry["value"])


@pytest.mark.parametrize("name", OUTINGS)
def test_bounds_bracket_the_exact_and_the_computed_time(shared_folder: Path, name: str) -> None:
    outing = OUTINGS[name]()
    text = outing.text + regions(inside=outing.region) + leave("inside", *outing.times)
    run = solved(shared_folder, text)
    for start, known_time in zip(run.exits[0]["starts"], outing.times.values(), strict=True):
        computed, lower, upper = (value(start[key]) for key in ("mean", "lower", "upper"))
        assert computed == pytest.approx(known_time, rel=outing.accuracy)
        found = tuple(key for key, bound in (("lower", lower), ("upper", upper)) if bound is not None)
        assert found == outing.applies, (start["lower"], start["upper"])
        for time in (known_time, computed):
            assert time is not None
            assert lower is None or lower <= time * (1.0 + ROUND_OFF)
            assert upper is None or time <= upper * (1.0 + ROUND_OFF)
