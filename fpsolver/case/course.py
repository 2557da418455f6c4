"""Functions of time: the learning rate, the batch size, or a factor on the noise, smooth between its switches.

A switch is a jump or a kink. Between two neighbouring switches a function is evaluated from inside alone, so that it
has limits from both sides at a jump, and whoever steps through time never sees beyond one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions import Expression
from fpsolver.case.expressions.nodes import Node, apply, ordered

Array = NDArray[np.float64]
Values = Callable[[Array], Array]
"""Times (n,) -> values (n,)."""

TIME = "t"
"""The name of time in the expressions of a schedule."""

SAMPLES = 4000
"""An expression is searched for switches in so many pieces of the time."""

INSIDE = 1e-10
"""An expression that switches is evaluated this far from both ends, as a fraction of what is between them."""


@dataclass(frozen=True)
class Course:
    """A function of time.

    Attributes:
        starts: When each piece begins, ascending, the first at 0.
        pieces: Expressions in t, one per start; each holds until the next one begins.
    """

    starts: tuple[float, ...]
    pieces: tuple[Expression, ...]

    def between(self, start: float, end: float) -> Values:
        """The function between two neighbouring switches."""
        piece = self.pieces[bisect_right(self.starts, (start + end) / 2) - 1]
        room = INSIDE * (end - start) if any(_switching(node) for node in ordered([piece.node])) else 0.0

        def values(times: Array) -> Array:
            return piece.evaluate({TIME: np.clip(times, start + room, end - room)})

        return values

    def switches(self, end: float) -> list[float]:
        """Times after 0 and before the end at which the function may jump or bend, ascending."""
        found = {start for start in self.starts if 0.0 < start < end}
        for start, stop, piece in zip(self.starts, (*self.starts[1:], end), self.pieces, strict=True):
            if start < end:
                found.update(_kinks(piece, start, min(stop, end)))
        return sorted(time for time in found if 0.0 < time < end)


@dataclass(frozen=True)
class Schedule:
    """How the noise of a case changes with time.

    With the learning rate η(t), the batch size B(t) and the values η₀, B₀ of ``[noise]``, u = η/η₀, the equation is

        dX = u (-∇f + extra) dt + √(2 D_t) dW,     D_t = u² (B₀/B) D + u ε I

    and for a case with ``noise.diffusion``, with a factor s(t), dX = (-∇f + extra) dt + √(2 (s D + ε I)) dW.

    Attributes:
        learning_rate: η, positive or 0; None: as in ``[noise]``.
        batch_size: B, positive; None: as in ``[noise]``.
        diffusion: s, positive or 0; None: 1.
        reference: η₀ and B₀; (1, 1) for ``noise.diffusion``.
        switches: 0, all times at which one of them jumps or bends, and the end time.
    """

    learning_rate: Course | None
    batch_size: Course | None
    diffusion: Course | None
    reference: tuple[float, float]
    switches: tuple[float, ...]

    def factors(self, start: float, end: float) -> Callable[[Array], tuple[Array, Array]]:
        """Between two neighbouring switches: times (n,) -> the factors of noise and drift, (n,) each.

        That of the noise multiplies D without ε I, that of the drift all the rest of the generator.
        """
        rate, batch, diffusion = (
            None if course is None else course.between(start, end)
            for course in (self.learning_rate, self.batch_size, self.diffusion)
        )

        def both(times: Array) -> tuple[Array, Array]:
            drift = np.ones(len(times)) if rate is None else rate(times) / self.reference[0]
            noise = drift**2 if batch is None else drift**2 * self.reference[1] / batch(times)
            return (noise if diffusion is None else noise * diffusion(times)), drift

        return both

    def at(self, time: float) -> dict[str, float]:
        """Name -> value from a time on, of all that the schedule changes."""
        leg = min(max(bisect_right(self.switches, time), 1), len(self.switches) - 1)
        start, end = self.switches[leg - 1], self.switches[leg]
        courses = {"learning_rate": self.learning_rate, "batch_size": self.batch_size, "diffusion": self.diffusion}
        return {
            name: float(course.between(start, end)(np.array([time]))[0])
            for name, course in courses.items()
            if course is not None
        }

    def legs(self) -> list[tuple[float, float]]:
        """Start and end between neighbouring switches."""
        return list(pairwise(self.switches))

    @property
    def varies(self) -> bool:
        """Whether anything changes between switches, and not only at them."""
        return not all(is_constant(self.factors(*leg), *leg) for leg in self.legs())


def is_constant(factors: Callable[[Array], tuple[Array, Array]], start: float, end: float) -> bool:
    """Whether two functions have one value each between two times."""
    share = np.random.default_rng(0).uniform(size=65)  # no period fits these
    return all(bool((values == values[0]).all()) for values in factors(start + (end - start) * share))


def _kinks(piece: Expression, start: float, end: float) -> list[float]:
    """Where a comparison, a sign, a magnitude, a maximum or a minimum in an expression changes sides."""
    if end <= start:
        return []
    times = np.linspace(start, end, SAMPLES + 1)
    found: list[float] = []
    for node in ordered([piece.node]):
        if _switching(node):
            found += _crossings(node.args[0] if len(node.args) == 1 else apply("sub", *node.args), times)
    return found


def _switching(node: Node) -> bool:
    """Whether an operation depends on a sign."""
    return node.op in ("abs", "sign", "min", "max", "lt", "le", "gt", "ge", "eq", "ne")


def _crossings(node: Node, times: Array) -> list[float]:
    """Where a function of time becomes, or ceases to be, at least 0: to the last bit."""
    side = Expression(node, "")

    def above(at: Array) -> NDArray[np.bool_]:
        return np.asarray(side.evaluate({TIME: at}) >= 0.0)

    values = above(times)
    places = np.flatnonzero(values[1:] != values[:-1])
    low, high, left = times[places], times[places + 1], values[places]
    for _ in range(80):
        middle = (low + high) / 2
        same = above(middle) == left
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [float(time) for time in high]
