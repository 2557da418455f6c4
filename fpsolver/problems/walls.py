"""Walls that a density leans on: how much of it would be behind them, were they not there.

A box is often meant to be so large that it does not matter. At a reflecting wall with outward normal n the density has

    n . D grad rho = -(a . n) rho,

so beyond the wall it would go on falling over the length n . D n/(a . n), and about

    share = integral over the wall of rho min(n . D n/(a . n), width of the domain)

of the mass would be there. Where the drift points outward, a . n < 0, nothing would hold it: all of what is at the wall
counts, over the width of the domain, and the drift presses integral of rho (-a . n) of the mass per time against it.
Both are linear in rho. They do not depend on the size of the cells, as the mass in a layer of cells would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.case import Ball, Box, Domain
from fpsolver.domain.boundary_rule import boundary_rule
from fpsolver.domain.cells import Cells
from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import Projection
from fpsolver.problems.base import Answer, Setting

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LIMIT = 1e-6
"""A share of the mass behind a wall, or of it pressed against a wall per unit of time, that is worth a warning."""


@dataclass(frozen=True)
class Wall:
    """A part of the boundary that bounds the domain without being meant to, perhaps.

    Attributes:
        name: Key in ``results.json``, such as ``x_upper``.
        text: As the user knows it, such as ``x = 2``.
        width: Of the domain across it.
    """

    name: str
    text: str
    width: float


def walls_of(domain: Domain) -> list[Wall]:
    """The walls of a box or a ball; none of a mesh from a file, whose boundary is meant."""
    if isinstance(domain, Box):
        corners = (("lower", domain.lower), ("upper", domain.upper))
        return [
            Wall(f"{name}_{side}", f"{name} = {corner[axis]:g}", domain.upper[axis] - domain.lower[axis])
            for axis, name in enumerate(domain.coordinates)
            for side, corner in corners
        ]
    if isinstance(domain, Ball):
        found = [Wall("outer", f"the boundary of radius {domain.radius:g}", domain.radius)]
        hole = Wall("inner", f"the boundary of radius {domain.hole:g}", domain.hole)
        return [*found, hole] if domain.hole > 0.0 else found
    return []


def numbered(domain: Domain, points: Array, normals: Array) -> Ints:
    """Which of the walls each point of the boundary is on, (n,)."""
    if isinstance(domain, Box):
        axis = np.abs(normals).argmax(axis=1)
        return np.asarray(2 * axis + (normals[np.arange(len(axis)), axis] > 0.0))
    outward = ((points - np.array(domain.center)) * normals).sum(axis=1) > 0.0 if isinstance(domain, Ball) else []
    return np.where(outward, 0, 1)


class WallWatcher:
    """Remembers for each wall the most that any density had behind it, and the most that was pressed against it.

    Args:
        setting: The case and the outside world.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._walls = walls_of(setting.case.domain)
        self._most = np.zeros((2, len(self._walls)))

    def columns(self) -> Sequence[str]:
        """None: walls are looked at, not recorded in time."""
        return ()

    def enter(self, generator: Generator) -> None:
        """From now on states are coefficients with respect to this generator. Collective."""
        self._functionals: list[PETSc.Vec] = []
        if not self._walls:
            return
        cells = Cells.of(generator.space.mesh)
        boundary = boundary_rule(generator.space.mesh, cells, 2 * generator.degree + 2)
        rule, normals = boundary.rule, boundary.normals
        wall = numbered(self._setting.case.domain, rule.points, normals)
        coefficients = generator.model(rule.points)
        inward = np.einsum("ni,ni->n", coefficients.advection, normals)
        noise = np.einsum("ni,nij,nj->n", normals, coefficients.diffusion, normals)
        widths = np.array([each.width for each in self._walls])[wall]
        length = np.where(noise < inward * widths, noise / np.where(inward > 0.0, inward, 1.0), widths)
        length[(noise <= 0.0) & (inward >= 0.0)] = 0.0
        absorbing = self._setting.absorbing
        reflecting = np.ones(len(length)) if absorbing is None else absorbing(rule.points) >= 0.0
        for density in (length, np.maximum(-inward, 0.0)):
            for number in range(len(self._walls)):
                weights = np.where(wall == number, rule.weights * density * reflecting, 0.0)
                self._functionals.append(generator.observable_of_rule(replace(rule, weights=weights)))

    def note(self, time: float, vector: PETSc.Vec, projection: Projection, *, is_output: bool) -> Mapping[str, float]:
        """A state h on the way. Collective."""
        self.see(vector)
        return {}

    def memory(self) -> object:
        """The most at each wall."""
        return self._most.tolist()

    def recall(self, memory: Any) -> None:
        """Go on from there."""
        self._most = np.array(memory).reshape(self._most.shape)

    def see(self, vector: PETSc.Vec) -> None:
        """A state h. Collective."""
        if self._functionals:
            found = np.asarray(vector.mDot(self._functionals)).reshape(self._most.shape)
            self._most = np.maximum(self._most, found)

    def added(self, answer: Answer) -> Answer:
        """The answer with what was seen, and a warning where that matters."""
        if not self._walls or not isinstance(answer.results, dict):
            return answer
        results = answer.results | {"walls": self.results()}
        return replace(answer, results=results, warnings=[*answer.warnings, *self.warnings(answer.name)])

    def results(self) -> dict[str, object]:
        """The entry of ``results.json``."""
        return {
            wall.name: {"mass_behind": float(behind), "pressed": float(pressed)}
            for wall, behind, pressed in zip(self._walls, *self._most, strict=True)
        }

    def warnings(self, what: str) -> list[str]:
        """One line on all walls that the density leans on and that no other problem has warned of, or nothing."""
        told = self._setting.of_model.once("walls that were warned of", set[str])
        cut = []
        for wall, behind, pressed in zip(self._walls, *self._most, strict=True):
            if max(behind, pressed) <= LIMIT or wall.name in told:
                continue
            told.add(wall.name)
            text = f"{wall.text} ({_share(behind)} of the mass would be behind it"
            text += f", and the drift presses {pressed:.1e} of it per time against it)" if pressed > LIMIT else ")"
            cut.append(text)
        if not cut:
            return []
        remedy = "domain.radius" if isinstance(self._setting.case.domain, Ball) else "domain.lower or domain.upper"
        return [
            f"{what}: the density leans on the wall{'s' if len(cut) > 1 else ''} {', '.join(cut)}. If walls are meant "
            f"there, all is well; if they only bound the domain, numbers are off by about as much: move {remedy}"
        ]


def with_walls(setting: Setting, answer: Answer, states: Sequence[tuple[Generator, PETSc.Vec]]) -> Answer:
    """The answer with what stationary states have behind the walls; as it is for companions. Collective."""
    if setting.is_companion:
        return answer
    walls = WallWatcher(setting)
    for generator, vector in states:
        walls.enter(generator)
        walls.see(vector)
    return walls.added(answer)


def _share(mass: float) -> str:
    """``about 3.2e-05``, ``about 4 %`` or ``more than all``."""
    if mass >= 1.0:
        return "more than all"
    return f"about {mass:.1e}" if mass < 0.01 else f"about {100.0 * mass:.2g} %"
