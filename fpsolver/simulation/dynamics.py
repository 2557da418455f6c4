"""Drift and D of a case at the places of walkers, without the derivatives of D that only densities need.

    dX = b dt + √(2D) dW,    b = -∇f + extra      (Itô)

Walkers are columns: positions are (d, n) arrays, so that each coordinate is contiguous.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Case
from fpsolver.case.expressions import Expression, Program, constant_expression
from fpsolver.case.expressions.nodes import apply, constant
from fpsolver.model import Model, build
from fpsolver.model.formulas import gradient
from fpsolver.model.momentum import at_rest
from fpsolver.model.samples import SampleLoss
from fpsolver.simulation.tensor import Entry, Tensor

Array = NDArray[np.float64]

OVERHEAD = 60.0
"""Nanoseconds that a walker takes per step and coordinate whatever its equation, most of them for random numbers."""

PER_ENTRY = 1.5
"""Nanoseconds per operation of an expression and walker, rough; functions such as tanh take more."""


@dataclass(frozen=True)
class Motion:
    """What moves n walkers: b and D, entries as arrays (n,) or as numbers."""

    drift: list[Entry]
    diffusion: Tensor


class Dynamics(Protocol):
    """Positions (d, n) -> what moves the walkers there."""

    @property
    def cost(self) -> float:
        """About how many nanoseconds a walker takes per step, for advice and defaults alone."""
        ...

    def __call__(self, positions: Array) -> Motion:
        """At the positions (d, n)."""
        ...


def dynamics_of(case: Case) -> Dynamics:
    """The fastest form of a case's equation."""
    if case.momentum is not None:
        return Inertial(dynamics_of(at_rest(case)), case.momentum.friction)
    if case.noise.order == 2:
        return Modelled(build(case))
    formulas = case.loss is None or case.loss.kind == "expression"
    if formulas and isinstance(_matrix(case), tuple):
        return Formulated(case)
    if case.loss is not None and case.loss.kind == "per_sample":
        return Sampled(case)
    return Modelled(build(case))


class Formulated:
    """Loss, extra drift and D as expressions, evaluated by one program so that common parts are computed once.

    Args:
        case: Whose loss, drift and diffusion are formulas of the coordinates.
    """

    def __init__(self, case: Case) -> None:
        names = case.coordinates
        loss = constant_expression(0.0) if case.loss is None else case.loss.expression
        extra = case.drift or (constant_expression(0.0),) * len(names)
        drift = [
            Expression(apply("sub", more.node, slope.node), "")
            for more, slope in zip(extra, gradient(loss, names), strict=True)
        ]
        upper = _upper(case)
        self._names = names
        values = [entry.value for entry in upper]
        self._constant = (
            _full([value for value in values if value is not None], len(names)) if None not in values else None
        )
        self._entries = _Entries(drift if self._constant is not None else [*drift, *upper])
        self.cost = OVERHEAD * len(names) + PER_ENTRY * self._entries.size

    def __call__(self, positions: Array) -> Motion:
        """At the positions (d, n)."""
        found = self._entries(dict(zip(self._names, positions, strict=True)))
        size = len(positions)
        return Motion(found[:size], _full(found[size:], size) if self._constant is None else self._constant)


class Sampled:
    """A loss per sample; D from the covariance of the gradients, or from formulas.

    D is formed and factored, which takes d(d + 1)/2 products per sample. Noise from the gradients themselves,
    √(η/(BN)) Σ_i ĝ_i ξ_i, has the same law, but needs a random number per sample and step, which costs more.

    Args:
        case: With loss.per_sample and [data].
    """

    def __init__(self, case: Case) -> None:
        self._loss = SampleLoss(case)
        self._names = case.coordinates
        self._scale, self._added = case.noise.scale, case.noise.regularization
        self._of_samples = case.noise.covariance == "samples"
        extra = list(case.drift or (constant_expression(0.0),) * len(self._names))
        self._extra = _Entries(extra)
        self._formulas = None if self._of_samples else _Entries(_upper(case))
        assert case.loss is not None
        entries = sum(slope.size for slope in gradient(case.loss.expression, self._names)) + 3 * len(self._names)
        self.cost = OVERHEAD * len(self._names) + PER_ENTRY * entries * self._loss.rows

    def __call__(self, positions: Array) -> Motion:
        """At the positions (d, n)."""
        size, where = len(positions), dict(zip(self._names, positions, strict=True))
        if self._formulas is None:
            slope, covariance = self._loss.spread(positions.T)
            diffusion: Tensor = tuple(
                tuple(self._scale * covariance[:, i, j] + (self._added if i == j else 0.0) for j in range(size))
                for i in range(size)
            )
        else:
            slope = self._loss(positions.T)[1]
            diffusion = _full(self._formulas(where), size)
        drift: list[Entry] = [more - slope[:, i] for i, more in enumerate(self._extra(where))]
        return Motion(drift, diffusion)


class Modelled:
    """Any model.

    Args:
        model: Coefficients at points.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self.cost = 10.0 * OVERHEAD * model.dimension

    def __call__(self, positions: Array) -> Motion:
        """At the positions (d, n)."""
        found, size = self._model(positions.T), len(positions)
        drift: list[Entry] = [found.extra[:, i] - found.gradient[:, i] for i in range(size)]
        return Motion(drift, tuple(tuple(found.diffusion[:, i, j] for j in range(size)) for i in range(size)))


class Inertial:
    """dx = v dt, dv = (b(x) - γ v) dt + √(2 D(x)) dW.

    Args:
        rest: b and D over the positions x.
        friction: γ.
    """

    def __init__(self, rest: Dynamics, friction: float) -> None:
        self._rest, self._friction = rest, friction
        self.cost = rest.cost + OVERHEAD

    def __call__(self, positions: Array) -> Motion:
        """At the positions (2m, n): x, then v."""
        count = len(positions) // 2
        found, speed = self._rest(positions[:count]), positions[count:]
        force: list[Entry] = [entry - self._friction * v for entry, v in zip(found.drift, speed, strict=True)]
        silent = (0.0,) * count
        diffusion = ((0.0,) * (2 * count),) * count + tuple((*silent, *row) for row in found.diffusion)
        return Motion([*speed, *force], diffusion)


class _Entries:
    """Several expressions, of which those that are numbers stay numbers."""

    def __init__(self, expressions: list[Expression]) -> None:
        self._values = [expression.value for expression in expressions]
        varying = [expression for expression in expressions if expression.value is None]
        self._program = Program(varying) if varying else None
        self._values_known = [value for value in self._values if value is not None]
        self.size = sum(expression.size for expression in varying)

    def __call__(self, where: dict[str, Array]) -> list[Entry]:
        """The values; those that are a coordinate itself are copied, as walkers move on in place."""
        if self._program is None:
            return list(self._values_known)
        mine = {id(array) for array in where.values()}
        found = iter([array.copy() if id(array) in mine else array for array in self._program.bare(where)])
        return [next(found) if value is None else value for value in self._values]


def _matrix(case: Case) -> object:
    return case.noise.diffusion if case.noise.kind == "diffusion" else case.noise.covariance


def _upper(case: Case) -> list[Expression]:
    """The upper triangle of D as expressions."""
    matrix, noise = _matrix(case), case.noise
    assert isinstance(matrix, tuple)
    found = []
    for i, row in enumerate(matrix):
        for j in range(i, len(row)):
            node = apply("mul", constant(noise.scale), row[j].node)
            found.append(Expression(apply("add", node, constant(noise.regularization if i == j else 0.0)), ""))
    return found


def _full(upper: list[Entry], size: int) -> Tensor:
    """A symmetric tensor from its upper triangle, row by row."""
    places = {pair: k for k, pair in enumerate((i, j) for i in range(size) for j in range(i, size))}
    return tuple(tuple(upper[places[min(i, j), max(i, j)]] for j in range(size)) for i in range(size))
