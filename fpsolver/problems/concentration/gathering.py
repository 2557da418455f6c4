"""The mass in one ball along an evolution, beside its bounds."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fpsolver.domain.rules import Rule, region_rule
from fpsolver.generator.generator import Generator
from fpsolver.problems.base import Setting
from fpsolver.problems.concentration.balls import Ball
from fpsolver.problems.concentration.bounds import ExitLadder, by_flux, second_moment
from fpsolver.problems.splitting.shares import initial_mean

Array = npt.NDArray[np.float64]

MEASURED = ("ball", "moment", "within", "moment_bound", "within_bound")
"""The mass q in the ball, the integral M of V over it, the mass close to its centre; a bound of M from above, and one
from below of the mass close to the centre."""


class Gathering:
    """Follows the mass in a ball.

    Args:
        setting: The case. Collective.
        ball: The ball.

    Attributes:
        ball: The ball.
        start: The mass that starts in it, and the integral of V over that.
    """

    def __init__(self, setting: Setting, ball: Ball) -> None:
        self.ball = ball
        self.start = (0.0, 0.0)
        self._ladder = ExitLadder.of(ball.funnel.pairs, ball.funnel.spread, ball.funnel.radius)
        self._starts = np.array(
            [float(initial_mean(setting, partial(self._rising, theta))[0]) for theta in self._ladder.theta]
        )
        assert setting.case.evolution is not None
        is_point = setting.case.evolution.initial.kind == "point"
        self._exact = initial_mean(setting, self._inside) if is_point else None
        self._bounds = np.zeros(len(ball.funnel.pairs))
        self._last: tuple[float, float] | None = None

    def rules(self, generator: Generator) -> list[Rule]:
        """Rules whose masses are q, M and the mass close to the centre."""
        whole, inner = (self._rule(generator, radius) for radius in (self.ball.funnel.radius, self.ball.within))
        return [whole, replace(whole, weights=whole.weights * self._square(whole.points)), inner]

    def note(self, time: float, values: Array) -> Array:
        """From the values of the rules to all that is measured, (5,)."""
        if self._last is None:
            # a point mass is no density on the mesh, so its parts are not known from there
            values = values if self._exact is None else self._exact
            mass, moment = np.maximum(values[:2], 0.0).tolist()  # round-off where nothing is
            self.start = (mass, moment)
            self._bounds = np.full(len(self._bounds), moment)
        else:
            before, mass = self._last
            pairs, square = self.ball.funnel.pairs, self.ball.funnel.radius**2
            self._bounds = by_flux(self._bounds, (mass, float(values[0])), time - before, pairs, square)
        self._last = time, float(values[0])
        return np.array([*values, self._bounds.min(), self.near(np.array([time]))[0]])

    def left(self, times: Array) -> Array:
        """A bound of the probability to have started in the ball and left it, at times (n,): (n,)."""
        return self._ladder.probability(times, self._starts, self.start[0])

    def near(self, times: Array) -> Array:
        """A bound from below of the mass close to the centre, at times (n,): (n,)."""
        mass, moment = self.start
        stays = second_moment(times, moment, mass, self.ball.funnel.pairs)
        return np.asarray(np.maximum(mass - self.left(times) - stays / self.ball.within**2, 0.0))

    @property
    def log_escape(self) -> float:
        """Logarithm of a bound from below of the mean time to leave the ball from its centre; may be infinite."""
        return self._ladder.log_time()

    def memory(self) -> object:
        """What it started with, and where the bounds are."""
        return {"start": self.start, "bounds": self._bounds.tolist(), "last": self._last}

    def recall(self, memory: Any) -> None:
        """Go on from there."""
        self.start, self._last = tuple(memory["start"]), None if memory["last"] is None else tuple(memory["last"])
        self._bounds = np.array(memory["bounds"])

    def _square(self, points: Array) -> Array:
        return np.asarray(((points - self.ball.funnel.centre) ** 2).sum(axis=1))

    def _inside(self, points: Array) -> Array:
        """Functions whose means are q, M and the mass close to the centre, (3, n)."""
        square = self._square(points)
        inside = square < self.ball.funnel.radius**2
        return np.stack([inside, inside * square, square < self.ball.within**2]).astype(float)

    def _rising(self, theta: float, points: Array) -> Array:
        """exp(theta (V - R^2)) in the ball, (1, n)."""
        below = self._square(points) - self.ball.funnel.radius**2
        return np.where(below < 0.0, np.exp(theta * np.minimum(below, 0.0)), 0.0)[None]

    def _rule(self, generator: Generator, radius: float) -> Rule:
        quadrature = generator.quadrature
        return region_rule(quadrature.cells, lambda points: self._square(points) - radius**2, quadrature.degree)
