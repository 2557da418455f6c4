"""Kramers' law and the bounds of exit times, against times known from quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpsolver import load
from fpsolver.case import Box
from fpsolver.domain.outline import boundary_of
from fpsolver.model import Model, build
from fpsolver.model.critical import critical_points
from fpsolver.problems.exit.bounds import Ground, NoBound, candidate_directions, lower_bound, upper_bound
from fpsolver.problems.exit.exponent import NoExponent, exponent_of
from fpsolver.problems.exit.kramers import Kramers, NoLaw, basins_of
from fpsolver.problems.landscape.passes import Door
from tests.equations import COMM
from tests.problems.answers import solved
from tests.problems.cases import box

Array = np.typing.NDArray[np.float64]

TO_OTHER = {0.1: 66.2686263646263, 0.05: 729.6706919423218, 0.02: 1232135.0092759482, 0.01: 324957543146.67706}
"""Mean times from -1 to x >= 1 for (x**2 - 1)**2/4 on [-2, 2], by quadrature."""

TO_TOP = {0.1: 30.82130247251994, 0.05: 361.90375950092454, 0.02: 616063.8509766966, 0.01: 162478771569.14905}
"""The same to x >= 0."""

LINE = "(x**2 - 1)**2/4"
PLANE = "(x**2 - 1)**2/4 + 2*y**2"


class Outing:
    """A model in a box with a region, without a mesh."""

    def __init__(
        self,
        folder: Path,
        half: Sequence[float],
        loss: str,
        noise: str,
        level: Callable[[Array], Array],
        nodes: Any,
    ) -> None:
        path = folder / "case.toml"
        path.write_text(
            box([-h for h in half], half, [4] * len(half))
            + f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = {noise}\n',
            encoding="utf-8",
        )
        self.model: Model = build(load(path))
        self.upper = np.array(half, dtype=float)
        self.level, self.nodes = level, np.array(nodes, dtype=float)

    def kramers(self, start: Sequence[float]) -> float:
        law = self._law().law(np.array(start))
        return float(np.exp(law.log_time))

    def way(self, start: Sequence[float]) -> str:
        return self._law().law(np.array(start)).way

    def _law(self) -> Kramers:
        exponent = exponent_of(self.model, -self.upper, self.upper)
        door = Door(self.level, self.nodes, 2.0 * self.upper)
        shape = {1: (4001,), 2: (201, 201)}[len(self.upper)]
        basins = basins_of(exponent, -self.upper, self.upper, door, np.zeros(shape, dtype=bool))
        return Kramers(exponent, critical_points(self.model, -self.upper, self.upper), door, basins)

    @property
    def ground(self) -> Ground:
        return Ground(
            self.model,
            -self.upper,
            self.upper,
            lambda points: self.level(points) < 0.0,
            self.nodes,
            lambda points: np.zeros(len(points), dtype=bool),
            boundary_of(
                Box(tuple(-self.upper), tuple(self.upper), (1,) * len(self.upper), ("x", "y", "z")[: len(self.upper)])
            ),
        )

    def lower(self, centre: Sequence[float], start: Sequence[float]) -> float:
        return float(np.exp(lower_bound(self.ground, np.array(centre, dtype=float), np.array(start, dtype=float))))

    def upper_(self, start: Sequence[float]) -> float:
        """The best one over all directions."""
        point, found = np.array(start, dtype=float), []
        for direction in candidate_directions(self.model(point[None]).diffusion[0]):
            try:
                found.append(float(np.exp(upper_bound(self.ground, direction, point))))
            except NoBound:
                continue
        return min(found, default=np.inf)


def line(folder: Path, edge: float, noise: str, loss: str = LINE) -> Outing:
    return Outing(folder, [2.0], loss, noise, lambda p: p[:, 0] - edge, [[edge]])


def plane(folder: Path, edge: float, noise: str, loss: str = PLANE) -> Outing:
    nodes = [[edge, y] for y in np.linspace(-1.5, 1.5, 40)]
    return Outing(folder, [2.0, 1.5], loss, noise, lambda p: p[:, 0] - edge, nodes)


def disc(folder: Path, loss: str, noise: float) -> Outing:
    turn = np.linspace(0.0, 2.0 * np.pi, 120)
    nodes = np.column_stack([np.cos(turn), np.sin(turn)])
    return Outing(folder, [1.2, 1.2], loss, str(noise), lambda p: (p**2).sum(axis=1) - 1.0, nodes)


def by_quadrature(
    slope: Callable[[Array], Array], noise: Callable[[Array], Array], low: float, start: float, edge: float
) -> float:
    """The mean time from a start to an edge on its right, on the line, reflected at the lower end."""
    x = np.linspace(low, edge, 400001)
    width = x[1] - x[0]
    rate = slope(x) / noise(x)
    rise = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2.0 * width)])
    rise -= rise.min()
    mass = np.exp(-rise) / noise(x)
    inner = np.concatenate([[0.0], np.cumsum((mass[1:] + mass[:-1]) / 2.0 * width)])
    beyond = x >= start - width / 2.0
    return float(np.trapezoid(np.exp(rise[beyond]) * inner[beyond], dx=width))


@pytest.mark.parametrize("make", [line, plane], ids=["line", "plane"])
def test_the_ratio_to_kramers_law_tends_to_one(tmp_path: Path, make: Callable[..., Outing]) -> None:
    start = [-1.0] if make is line else [-1.0, 0.0]
    ratios = [exact / make(tmp_path, 1.0, str(noise)).kramers(start) for noise, exact in TO_OTHER.items()]
    assert np.allclose(ratios[1:], [1.107, 1.0335, 1.016], atol=5e-4)
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("make", [line, plane], ids=["line", "plane"])
def test_to_the_ridge_it_takes_half_as_long(tmp_path: Path, make: Callable[..., Outing]) -> None:
    start = [-1.0] if make is line else [-1.0, 0.0]
    ratios = []
    for noise, exact in TO_TOP.items():
        outing = make(tmp_path, 0.0, str(noise))
        whole = make(tmp_path, 1.0, str(noise)).kramers(start) / (math.erfc(-((2.0 * noise) ** -0.5)) / 2.0)
        assert outing.kramers(start) == pytest.approx(whole / 2.0, rel=1e-5)
        assert "0.5 of the time" in outing.way(start)
        ratios.append(exact / outing.kramers(start))
    assert np.allclose(ratios[1:], [1.098, 1.0335, 1.016], atol=5e-4)
    assert ratios == sorted(ratios, reverse=True)


@pytest.mark.parametrize("edge", [-0.1, 0.1])
def test_an_edge_near_the_ridge(tmp_path: Path, edge: float) -> None:
    """Neither half nor all: the error function in between."""
    exact = by_quadrature(lambda x: x**3 - x, lambda x: 0.01 + 0.0 * x, -2.0, -1.0, edge)
    assert exact / line(tmp_path, edge, "0.01").kramers([-1.0]) == pytest.approx(1.0, abs=0.04)


@pytest.mark.parametrize(("rate", "known"), [(0.05, 1.24), (0.025, 1.09), (0.015, 1.05)])
def test_noise_that_depends_on_the_point(tmp_path: Path, rate: float, known: float) -> None:
    """The Ito prefactor: that of the other convention would be off by D(-1)/D(0) = 2."""
    exact = by_quadrature(lambda x: x**3 - x, lambda x: rate * (1.0 + x**2), -2.0, -1.0, 1.0)
    ratio = exact / line(tmp_path, 1.0, f'"{rate}*(1 + x**2)"').kramers([-1.0])
    assert ratio == pytest.approx(known, abs=0.01)


@pytest.mark.parametrize("make", [line, plane], ids=["line", "plane"])
def test_over_an_edge_against_the_slope(tmp_path: Path, make: Callable[..., Outing]) -> None:
    start = [-1.0] if make is line else [-1.0, 0.0]
    ratios = []
    for noise in (0.01, 0.004, 0.002):
        exact = by_quadrature(lambda x: x**3 - x, lambda x, noise=noise: noise + 0.0 * x, -2.0, -1.0, -0.5)
        outing = make(tmp_path, -0.5, str(noise))
        ratios.append(exact / outing.kramers(start))
        assert "against the slope" in outing.way(start)
    assert np.abs(np.array(ratios) - 1.0).max() < 0.25
    assert abs(ratios[2] - 1.0) < abs(ratios[1] - 1.0) < abs(ratios[0] - 1.0)


def test_equal_ways_out_add_their_rates(tmp_path: Path) -> None:
    both = Outing(tmp_path, [2.0], "x**2/2", "0.05", lambda p: p[:, 0] ** 2 - 1.0, [[-1.0], [1.0]])
    alone = Outing(tmp_path, [2.0], "x**2/2", "0.05", lambda p: p[:, 0] - 1.0, [[1.0]])
    assert both.kramers([0.0]) == pytest.approx(alone.kramers([0.0]) / 2.0, rel=1e-6)


def test_two_wells_below_the_way_out(tmp_path: Path) -> None:
    """To x = 1.6 the flood covers both wells first, and the process forgets where it began."""
    exact = by_quadrature(lambda x: x**3 - x, lambda x: 0.01 + 0.0 * x, -2.0, -1.0, 1.6)
    assert exact / line(tmp_path, 1.6, "0.01").kramers([-1.0]) == pytest.approx(1.0, abs=0.1)


def test_curved_edges_bend_the_hessian_along_them(tmp_path: Path) -> None:
    """On a circle of radius 1 around 0, x**2/2 + y**2 is 1 - x**2/2 ...: least at (1, 0) and (-1, 0), with H = 1."""
    outing = disc(tmp_path, "x**2/2 + y**2", 0.02)
    ways = outing.kramers([0.0, 0.0])
    slope = 1.0
    expected = np.sqrt(2.0 * np.pi * 0.02) / slope * np.sqrt(1.0 / 2.0) * np.exp(0.5 / 0.02) / 2.0
    assert ways == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("loss", "noise", "reason"),
    [
        (PLANE, '["0.1", "0.2"]', "not a multiple"),
        (PLANE, '"0.1*x**2"', "vanishes"),
        (PLANE, '"0.1 + y**2"', "no gradient"),
    ],
)
def test_where_there_is_no_exponent(tmp_path: Path, loss: str, noise: str, reason: str) -> None:
    with pytest.raises(NoExponent, match=reason):
        plane(tmp_path, 0.0, noise, loss).kramers([-1.0, 0.0])


def test_where_the_law_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoLaw, match="no barrier"):
        line(tmp_path, 1.0, "0.5").kramers([-1.0])
    with pytest.raises(NoLaw, match="angle"):
        plane(tmp_path, 0.0, "0.02", "(x**2 - 1)**2/4 + 2*(y - x)**2").kramers([-1.0, -1.0])
    with pytest.raises(NoLaw, match="neither"):
        disc(tmp_path, "(x**2 + y**2)/2", 0.05).kramers([0.0, 0.0])
    with pytest.raises(NoLaw, match="another well"):  # the right well lies deeper below the edge than the left
        line(tmp_path, 1.4, "0.02", "(x**2 - 1)**2/4 - 0.1*x").kramers([-1.0])


@pytest.mark.parametrize(("times", "edge"), [(TO_OTHER, 1.0), (TO_TOP, 0.0)])
def test_bounds_hold_on_the_line_and_in_the_plane(tmp_path: Path, times: dict[float, float], edge: float) -> None:
    for noise, exact in times.items():
        outing = line(tmp_path, edge, str(noise))
        assert outing.lower([-1.0], [-1.0]) < exact < outing.upper_([-1.0]) < 1.1 * exact
    for noise, exact in times.items():
        outing = plane(tmp_path, edge, str(noise))
        assert outing.lower([-1.0, 0.0], [-1.0, 0.0]) < exact < outing.upper_([-1.0, 0.0]) < 2.0 * exact


def test_bounds_hold_in_a_disc(tmp_path: Path) -> None:
    """For x**2/2 the radius is a process of its own; for no loss at all the time is (1 - r**2)/(4 D)."""
    attracted = disc(tmp_path, "(x**2 + y**2)/2", 0.1)
    assert attracted.lower([0.0, 0.0], [0.0, 0.0]) < 18.99931088923376 < attracted.upper_([0.0, 0.0])
    free = disc(tmp_path, "0*x", 0.5)
    for start in ([0.0, 0.0], [0.5, 0.3]):
        exact = (1.0 - start[0] ** 2 - start[1] ** 2) / 2.0
        assert 0.99 * exact < free.lower([0.0, 0.0], start) < exact < free.upper_(start)


def test_lower_bounds_of_a_deep_well_grow_exponentially(tmp_path: Path) -> None:
    """x**2/2 in (-1, 1), D = 0.1: 15.13 by this bound, 66.23 in truth."""
    outing = Outing(tmp_path, [2.0], "x**2/2", "0.1", lambda p: p[:, 0] ** 2 - 1.0, [[-1.0], [1.0]])
    assert outing.lower([0.0], [0.0]) == pytest.approx(15.13, rel=2e-3)
    assert 66.23 < outing.upper_([0.0]) < 140.0  # twice as long: of two exits it sees one


def test_where_bounds_do_not_apply(tmp_path: Path) -> None:
    plain = plane(tmp_path, 0.0, '[["0.1", "0.06"], ["0.06", "0.1"]]')
    assert plain.upper_([-1.0, 0.0]) == np.inf  # noise along an axis moves the other one at the walls
    still = Outing(tmp_path, [2.0], "x**2/2", '"0.1*x**2"', lambda p: p[:, 0] ** 2 - 1.0, [[-1.0], [1.0]])
    assert still.upper_([0.5]) == np.inf
    assert still.lower([0.0], [0.0]) == np.inf  # D = 0 where the process starts: it never leaves
    with pytest.raises(NoBound):
        still.lower([0.0], [1.5])


def test_results_show_the_theory_beside_the_times(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = COMM.bcast(tmp_path_factory.mktemp("exit") if COMM.rank == 0 else None)
    text = box([-2.0], [2.0], [30]) + (
        f'[loss]\nexpression = "{LINE}"\n[noise]\ndiffusion = 0.05\n[regions]\nleft = "x < 0"\nmost = "x < 1"\n'
        '[[exit]]\nregion = "left"\nstart = [[-1.0], [-0.1]]\ninitial = { gaussian = { mean = [-1], std = 0.1 } }\n'
        '[[exit]]\nregion = "most"\nstart = [[-1.0]]\n'
    )
    for errors in (False, True):
        found = solved(folder, text, errors=errors)
        assert found.passed
        first, second = found.exits
        starts = [*first["starts"], *second["starts"]]
        for start in starts:
            if "initial" in start:
                assert all(
                    start[name]["value"] is None and start[name]["why"] for name in ("kramers", "lower", "upper")
                )
                continue
            assert start["lower"]["value"] <= start["mean"]["value"] <= start["upper"]["value"]
            assert start["lower"]["error"] == start["kramers"]["error"] == 0.0
            assert (start["mean"]["error"] is not None) == errors
        assert starts[-1]["mean"]["value"] / starts[-1]["kramers"]["value"] == pytest.approx(1.107, abs=1e-3)
        assert [point["kind"] for point in first["critical_points"]] == ["minimum", "minimum", "maximum"]
        assert first["critical_points"][2]["minima"] == [[-1.0], [1.0]]
        assert "critical_points" not in second


def test_infinite_times_have_no_upper_bound(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = COMM.bcast(tmp_path_factory.mktemp("never") if COMM.rank == 0 else None)
    text = box([-2.0], [2.0], [30]) + (
        '[loss]\nexpression = "x**2/2"\n[noise]\ndiffusion = "0.1*x**2"\n[regions]\ncore = "x**2 < 1"\n'
        '[[exit]]\nregion = "core"\nstart = [[0.5]]\n'
    )
    start = solved(folder, text).exits[0]["starts"][0]
    assert start["mean"]["infinite"]
    assert start["upper"]["infinite"]
    assert start["lower"]["value"] is None or start["lower"]["value"] > 0.0
