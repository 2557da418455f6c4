"""Kramers' law with its prefactor: the mean exit time in the limit of small noise.

With Phi as in `fpsolver.problems.exit.exponent`, a minimum m of f and an exit over a saddle z, whose one negative
eigenvalue of Hess f is -mu (Eyring-Kramers; Bovier, Eckhoff, Gayrard and Klein 2004, Berglund 2013, for constant D),

    E tau ~ 2 pi/mu (D(z)/D(m))^(1 - n/2) sqrt(|det Hess f(z)| / det Hess f(m)) exp(Phi(z) - Phi(m)) / q

q = 1 where the process leaves far beyond z. An edge across the falling direction, s beyond z, makes the last integral
end there: 1/q = erfc(-s sqrt(mu / 2 D(z))) / 2, half where the edge passes through z. At a point z of the edge
where f rises outward, d f/d nu > 0, and is least along the edge with the Hessian H of f along it,

    E tau ~ sqrt(2 pi D(z)) / (d f/d nu) (D(z)/D(m))^(1 - n/2) sqrt(det H / det Hess f(m)) exp(Phi(z) - Phi(m))

Rates of equivalent ways out add up, and so do the masses of wells that the flood joins before it gets out. The powers
of D are those of the Ito equation, whose speed measure is exp(-Phi)/D: in one dimension Laplace's method for the exact
double integral gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from fpsolver.generator.wells import lattice_of
from fpsolver.model.critical import CriticalPoint
from fpsolver.problems.exit.exponent import Exponent
from fpsolver.problems.landscape.edge_minima import EdgeMinimum, edge_minima
from fpsolver.problems.landscape.passes import Basins, Door, Flood
from fpsolver.wrapping import nearest

Array = npt.NDArray[np.float64]

LEAST = 1.0
"""A barrier lower than this, in nats, holds nothing back."""

WIDTHS = 4.0
"""An edge so many widths sqrt(D/mu) of a saddle away from it does not feel it."""

ACROSS = 0.99
"""Least cosine between the normal of an edge and the falling direction of a saddle on it."""

EQUAL = 1e-6
"""Matching of levels known to round-off, in nats, beyond what the lattice leaves open."""


class NoLaw(Exception):
    """Kramers' law says nothing about this exit; the message says why."""


@dataclass(frozen=True)
class Law:
    """Kramers' law for an exit.

    Attributes:
        log_time: Logarithm of the mean exit time.
        barrier: In nats.
        way: Where the process leaves, in words.
    """

    log_time: float
    barrier: float
    way: str


@dataclass(frozen=True)
class Kramers:
    """Kramers' law for the starts of one exit.

    Attributes:
        exponent: Phi and D.
        points: Critical points of f in the box.
        door: The exit.
        basins: Phi on the lattice.
    """

    exponent: Exponent
    points: Sequence[CriticalPoint]
    door: Door
    basins: Basins

    def law(self, start: Array) -> Law:
        """The law for a start.

        Raises:
            NoLaw: It does not apply.
        """
        flood = self.basins.flood(start)
        if flood is None:
            raise NoLaw("no way leads out")
        bottoms = self._bottoms(flood)
        bottom = bottoms[0]
        routes = [*self._saddles(flood), *self._edges(flood)]
        floor = float(self.exponent(bottom.point[None])[0])
        if flood.level - floor < LEAST:
            raise NoLaw("no barrier: less than one nat")
        if not routes:
            raise NoLaw("the lowest way out leads over neither a simple saddle nor an isolated point of the edge")
        self._check_others(flood, bottom, flood.level - floor)
        routes.sort(key=lambda route: route[0])
        logs = np.array([route[0] for route in routes])
        return Law(
            float(special.logsumexp([self._log_mass(each) for each in bottoms]) - special.logsumexp(-logs)),
            float(routes[0][1] - floor),
            routes[0][2] + (f", {len(routes)} ways" if len(routes) > 1 else ""),
        )

    def _bottoms(self, flood: Flood) -> list[CriticalPoint]:
        """The minima of the basin, lowest first."""
        minima = [p for p in self.points if p.index == 0 and flood.below[self.basins.place(p.point)]]
        if not minima:
            raise NoLaw("no barrier: f has no simple minimum in the basin of the start")
        return sorted(minima, key=lambda p: float(self.exponent(p.point[None])[0]))

    def _log_mass(self, bottom: CriticalPoint) -> float:
        """Logarithm of the Gaussian integral of exp(-Phi)/D around a minimum, 2 pi left out."""
        noise = float(self.exponent.noise(bottom.point[None])[0])
        d = len(bottom.point)
        floor = float(self.exponent(bottom.point[None])[0])
        return float((d / 2.0 - 1.0) * np.log(noise) - 0.5 * np.log(bottom.eigenvalues).sum() - floor)

    def _saddles(self, flood: Flood) -> list[tuple[float, float, str]]:
        """For each saddle on the lowest way (log of the time without the mass, Phi, words)."""
        routes = []
        for saddle in self.points:
            if saddle.index != 1:
                continue
            noise = float(self.exponent.noise(saddle.point[None])[0])
            height = float(self.exponent(saddle.point[None])[0])
            mu, falling = -float(saddle.eigenvalues[0]), saddle.vectors[:, 0]
            width = float(np.sqrt(noise / mu))
            beyond = self.door.along(saddle.point, falling, WIDTHS * width)
            door = saddle.point if beyond is None else saddle.point + beyond * falling
            inside = bool(self.door.level(saddle.point[None])[0] < 0.0)
            if beyond is None and not inside:
                continue
            gate = saddle.point if inside else door  # what is highest on the way through
            reached = float(self.exponent(gate[None])[0])
            if not self.basins.touches(flood.below, gate):
                continue
            if abs(reached - flood.level) > self._tolerance(saddle, gate, noise):
                continue
            factor = 1.0 if beyond is None else self._share(door, falling, beyond / width)
            d = len(saddle.point)
            others = 0.5 * np.log(saddle.eigenvalues[1:]).sum() - 0.5 * np.log(mu)
            log_time = np.log(2.0 * np.pi) + others + (1.0 - d / 2.0) * np.log(noise) + height + np.log(factor)
            routes.append((float(log_time), height, _named(saddle.point, factor)))
        return routes

    def _share(self, door: Array, falling: Array, widths: float) -> float:
        """The share of the time to the other side that it takes to an edge so many widths along the falling direction.

        Raises:
            NoLaw: The edge is not across that direction.
        """
        normal = self.door.slope(door[None])[0]
        cosine = float(normal @ falling / np.linalg.norm(normal))
        if abs(cosine) < ACROSS:
            raise NoLaw("the edge of the region crosses the saddle at an angle")
        return 0.5 * float(special.erfc(-widths * np.sign(cosine) / np.sqrt(2.0)))

    def _tolerance(self, saddle: CriticalPoint, gate: Array, noise: float) -> float:
        """How far the level of the flood may be from that of a saddle, or of the edge near it."""
        spacing = self.basins.spacing
        slope = np.abs(self.exponent.model(gate[None]).gradient[0]) @ spacing
        bend = spacing @ np.abs(saddle.hessian) @ spacing
        return float((2.0 * slope + bend) / noise + EQUAL)

    def _edges(self, flood: Flood) -> list[tuple[float, float, str]]:
        """The same for points of the edge where f rises outward."""
        nodes = self.door.nodes
        near = np.array([self.basins.touches(flood.below, node) for node in nodes], dtype=bool)
        routes = []
        for least in edge_minima(self.exponent.model, self.door, nodes[near], self.exponent):
            if self._on_a_saddle(least) or not self.basins.touches(flood.below, least.point):
                continue
            noise = float(self.exponent.noise(least.point[None])[0])
            height = float(self.exponent(least.point[None])[0])
            gap = 2.0 * least.slope * float(np.linalg.norm(self.basins.spacing)) / noise + EQUAL
            if abs(height - flood.level) > gap + LEAST:
                continue
            d = len(least.point)
            others = 0.5 * np.log(least.eigenvalues).sum() - np.log(least.slope)
            log_time = 0.5 * np.log(2.0 * np.pi) + (1.5 - d / 2.0) * np.log(noise) + others + height
            where = ", ".join(f"{x:.4g}" for x in least.point)
            routes.append((float(log_time), height, f"over the edge at ({where}), against the slope"))
        return routes

    def _on_a_saddle(self, least: EdgeMinimum) -> bool:
        """Whether a point of the edge is so close to a saddle that the slope does not decide."""
        for saddle in self.points:
            if saddle.index == 1:
                noise = float(self.exponent.noise(saddle.point[None])[0])
                reach = WIDTHS * np.sqrt(noise / -saddle.eigenvalues[0])
                if np.linalg.norm(nearest(saddle.point - least.point, self.door.periods)) <= reach:
                    return True
        return False

    def _check_others(self, flood: Flood, bottom: CriticalPoint, barrier: float) -> None:
        """Refuse where a well beyond the pass, still in the region, holds the process as long."""
        for other in self.points:
            place = self.basins.place(other.point)
            if other.index or self.basins.exits[place] or flood.below[place] or not flood.above[place]:
                continue
            again = self.basins.flood(other.point)
            depth = np.inf if again is None else again.level - float(self.exponent(other.point[None])[0])
            if depth > barrier - LEAST:
                where = ", ".join(f"{x:.4g}" for x in other.point)
                raise NoLaw(f"beyond the lowest pass another well of the region, at ({where}), holds as long")


def basins_of(
    exponent: Exponent,
    lower: Sequence[float],
    upper: Sequence[float],
    door: Door,
    absorbing: npt.NDArray[np.bool_],
    inside: Callable[[Array], npt.NDArray[np.bool_]] | None = None,
    periods: Sequence[float] = (),
) -> Basins:
    """Phi on the lattice of a box.

    Args:
        exponent: Phi.
        lower: Lower corner.
        upper: Upper corner.
        door: The exit.
        absorbing: Lattice points on walls where the process leaves, (...).
        inside: Whether points (n, d) are in the domain; None: all are.
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    points = lattice_of(lower, upper)
    flat = points.reshape(-1, points.shape[-1])
    with np.errstate(all="ignore"):
        potential = np.nan_to_num(exponent(flat), nan=np.inf, posinf=np.inf, neginf=np.inf).reshape(points.shape[:-1])
    outside = (door.level(flat) >= 0.0).reshape(points.shape[:-1])
    exits = outside | absorbing
    if inside is not None:  # nothing is beyond walls that reflect
        potential[~inside(flat).reshape(exits.shape) & ~exits] = np.inf
    closes = np.isfinite(periods) if len(periods) else np.zeros(points.shape[-1], dtype=bool)
    return Basins(points, potential, exits, closes)


def _named(point: Array, factor: float) -> str:
    where = ", ".join(f"{x:.4g}" for x in point)
    if factor > 0.999:
        return f"over the saddle at ({where})"
    return f"over the saddle at ({where}), the edge near it: {factor:.3g} of the time to the other side"
