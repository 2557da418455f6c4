"""Two-sided bounds of mean exit times against exact times, and against computed functions that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import basix
import numpy as np
import pytest
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver import load
from fpsolver.domain.cells import Cells
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.pointwise import CellSamples, FacetSamples
from fpsolver.output.results import as_json
from fpsolver.problems.enclosure import problem as enclosure
from fpsolver.problems.enclosure.attempt import Attempt, attempt
from fpsolver.problems.enclosure.comparison import HEIGHTS, covered
from fpsolver.problems.enclosure.curved_edge import REPEATED, CurvedEdge
from fpsolver.study.api import solve
from tests import exact
from tests.equations import COMM, Array
from tests.problems.answers import solved
from tests.problems.settings import setting
from tests.problems.texts import WELLS, brownian, leave, line, plane, regions

parallel = pytest.mark.parallel

WANTED = 'enclosure = "always"\n'
DISC = regions(r="x**2 + y**2 < 1")
CENTRED = leave("r", [0, 0], more=WANTED)
ROUND = (1.2, 1.2)
UNDER_BARRIER = plane(WELLS, 0.1, (8, 6)) + regions(left="x < 0") + leave("left", [-1, 0], more=WANTED)
BALL_OF_OU = plane("x**2/2 + y**2/2", 0.1, (12, 12), ROUND) + DISC + CENTRED
INTERVAL = brownian([-1.0], [2.0], [13], 0.3) + regions(r="(x + 0.45)*(x - 1.55) < 0")
OVER_BARRIER = 30.82130247251994
OUT_OF_BALL = 18.99931088923376


def entries(folder: Path, text: str) -> list[Any]:
    """What each start says of its bounds."""
    return [start["enclosure"] for start in solved(folder, text).exits[0]["starts"]]


def bracketed(entry: Any, time: float, width: float) -> bool:
    """Whether bounds are certified, hold the exact time between them, and are as close as is claimed."""
    lower, upper = entry["lower"]["value"], entry["upper"]["value"]
    assert entry["certified"]
    assert upper - lower < width * time
    return bool(lower <= time <= upper)


def refused(entry: Any) -> str:
    """The reason why there are no bounds, which is told with each of them too."""
    assert not entry["certified"]
    assert all(entry[side] == {"value": None, "error": None, "why": entry["why"]} for side in ("lower", "upper"))
    return str(entry["why"])


@parallel
def test_brownian_motion_in_an_interval(shared_folder: Path) -> None:
    """u = (1 - x^2)/2D: polynomials leave no residual, so bounds are as close as round-off and tents allow."""
    found = entries(shared_folder, INTERVAL + leave("r", [0.3], [1.2], more=WANTED))
    for entry, x in zip(found, (-0.25, 0.65), strict=True):
        assert bracketed(entry, (1 - x**2) / 0.6, 1e-6)


@pytest.mark.parametrize(("d", "width"), [(0.1, 1e-5), (0.02, 1e-4), (0.01, 1e-4)])
def test_two_wells_on_a_line(shared_folder: Path, d: float, width: float) -> None:
    """Against quadrature, up to a time of 1.6e11. In one dimension bounds come without being asked for."""
    times, _ = exact.exit_times_on_a_line(lambda x: x**3 - x, lambda x: np.full_like(x, d), (-2.0, 0.0), [-1.0])
    text = line("(x**2 - 1)**2/4", d) + regions(left="x < 0") + leave("left", [-1.0])
    run = solved(shared_folder, text)
    assert bracketed(run.exits[0]["starts"][0]["enclosure"], float(times[0, 0]), width)
    # the rate is at least one over the longest mean time, and for a high barrier nearly that
    assert 0.9 * run.rate() < run.exits[0]["escape_rate_lower"]["value"] < run.rate()


@parallel
@pytest.mark.parametrize(("noise", "right"), [("0.3*(0.01 + x**2)", 0.9), ("0.1*exp(x)", 1.5)])
def test_noise_that_depends_on_the_point(shared_folder: Path, noise: str, right: float) -> None:
    """Without an Ito term: that of the forward equation must not come into L u."""
    spread = {"0.3*(0.01 + x**2)": lambda x: 0.3 * (0.01 + x**2), "0.1*exp(x)": lambda x: 0.1 * np.exp(x)}[noise]
    times, _ = exact.exit_times_on_a_line(lambda x: x, spread, (-0.5, right), [0.2])
    text = line("x**2/2", noise, 40, (-0.5, 2.0)) + regions(r=f"x < {right}") + leave("r", [0.2])
    (found,) = entries(shared_folder, text)
    assert bracketed(found, float(times[0, 0]), 1e-4)


@parallel
def test_two_wells_in_the_plane_between_reflecting_walls(shared_folder: Path) -> None:
    (found,) = entries(shared_folder, UNDER_BARRIER)
    assert bracketed(found, OVER_BARRIER, 1e-2)


@parallel
@pytest.mark.parametrize("turn", [0.0, 2.0])
def test_out_of_a_ball_with_or_without_a_drift_that_turns(shared_folder: Path, turn: float) -> None:
    """R8: turning about the centre changes no exit time, but there is no potential any more."""
    drift = f'[drift]\nextra = ["{turn}*y", "-{turn}*x"]\n' if turn else ""
    (found,) = entries(shared_folder, BALL_OF_OU + drift)
    assert bracketed(found, OUT_OF_BALL, 1e-2)
    assert "curved edges of the exit set" in found["why"]


def test_noise_that_depends_on_the_point_and_a_drift_that_is_no_gradient(shared_folder: Path) -> None:
    """u = 1 - |x|^2 for D = d(x) I and b = (2y - x, -y) if 4 d + 2 b.x = 1, that is d = 1/4 + (x - y)^2/2."""
    drift = '[drift]\nextra = ["2*y - x", "-y"]\n'
    text = plane("", '"0.25 + (x - y)**2/2"', (8, 8), ROUND) + drift + DISC + leave("r", [0.5, -0.2], more=WANTED)
    (found,) = entries(shared_folder, text)
    assert bracketed(found, 0.71, 1e-2)


def test_correlated_noise_out_of_an_ellipse(shared_folder: Path) -> None:
    """u = (1 - x P x)/(2 tr DP): catches n . D grad u with D transposed, or as a number, on edges and inside."""
    noise = '[["0.3", "0.1"], ["0.1", "0.2"]]'
    text = plane("", noise, (12, 10), (1.4, 0.9)) + '[drift]\nextra = ["0", "0"]\n'
    text += regions(r="x**2/1.44 + y**2/0.49 < 1") + leave("r", [0.4, -0.2], more=WANTED)
    (found,) = entries(shared_folder, text)
    time = (1 - 0.16 / 1.44 - 0.04 / 0.49) / (2 * (0.3 / 1.44 + 0.2 / 0.49))
    assert bracketed(found, time, 1e-2)


def test_a_straight_wall_that_absorbs_beside_a_curved_edge(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a disc: its straight side is met exactly, however far it is from the circle."""
    monkeypatch.setattr(enclosure, "ROUNDS", 2)
    text = brownian([0.0, -1.1], [1.2, 1.3], [6, 12], 0.3) + '[boundary]\nabsorbing = "x < 1e-6"\n' + DISC
    (found,) = entries(shared_folder, text + leave("r", [0.5, 0.0], more=WANTED))
    n = np.arange(1, 4001, 2)
    time = float((4 / (np.pi * n) * np.sin(n * np.pi / 2) * (0.25 - 0.5**n) / (n**2 - 4)).sum()) / 0.3
    assert bracketed(found, time, 3.0)


@parallel
@pytest.mark.parametrize("text", [INTERVAL + leave("r", [0.3], more=WANTED), BALL_OF_OU], ids=["line", "ball"])
def test_bounds_do_not_depend_on_the_number_of_ranks(shared_folder: Path, text: str) -> None:
    together = entries(shared_folder, text)
    case = load(shared_folder / "case.toml")
    COMM.barrier()
    alone: Any = as_json(solve(case, MPI.COMM_SELF).answers["exit"].results)
    for one, other in zip(together, (start["enclosure"] for start in alone[0]["starts"]), strict=True):
        for side in ("lower", "upper"):
            assert one[side]["value"] == pytest.approx(other[side]["value"], rel=1e-9)


@parallel
def test_infinite_times_have_no_bounds(shared_folder: Path) -> None:
    """D = 0.3 x^2 catches paths at 0: from everywhere left of 1, and from nowhere between 0.1 and 1 (R6)."""
    model = line("x**2/2", "0.3*x**2")
    found = entries(shared_folder, model + regions(r="x < 1") + leave("r", [0.5], [-0.5], more=WANTED))
    assert {refused(entry) for entry in found} == {enclosure.ENDLESS}
    (found,) = entries(shared_folder, model + regions(r="(x - 0.1)*(x - 1) < 0") + leave("r", [0.5], more=WANTED))
    assert bracketed(found, 1.150243695745788, 1e-4)


def test_noise_in_one_direction_is_refused(shared_folder: Path) -> None:
    """Though it leaves in a finite time: the drift turns it into all directions."""
    text = plane("x**2/2 + y**2/2", '[["0.1", "0"], ["0", "0"]]', (6, 6), ROUND) + '[drift]\nextra = ["y", "-x"]\n'
    run = solved(shared_folder, text + regions(r="x < 0.8") + leave("r", [0, 0], more=WANTED))
    assert run.means()[0] > 0.0
    assert "noise does not act in all directions" in refused(run.exits[0]["starts"][0]["enclosure"])


def test_a_start_outside_of_a_coarser_mesh_is_told(shared_folder: Path) -> None:
    """The mesh of the exit resolves it, that of the bounds does not: no reason to end the run."""
    near = [0.99999 * float(np.sqrt(0.5))] * 2
    text = brownian([-1.2, -1.1], [1.2, 1.3], [12, 12], 0.3) + DISC + leave("r", near, more=WANTED)
    (found,) = entries(shared_folder, text)
    assert "outside of the mesh" in refused(found)


def test_too_little_room_is_told(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(enclosure.MOST, 2, 100)
    (found,) = entries(shared_folder, UNDER_BARRIER)
    assert "more than 100 unknowns" in refused(found)


Fault = Callable[[float, Array], tuple[float, Array]]


def scaled(factor: float) -> Fault:
    return lambda constant, values: (factor * constant, factor * values)


def shifted(share: float) -> Fault:
    """No longer 0 on the exit set, and right in every other respect."""
    return lambda constant, values: (constant * (1.0 + share), values)


def wavy(constant: float, values: Array) -> tuple[float, Array]:
    """Wrong in the middle alone."""
    wave = 1.0 + 0.2 * np.sin(0.1 * np.arange(len(values)))
    return constant, (constant + values) * wave - constant


def bumped(constant: float, values: Array) -> tuple[float, Array]:
    """One value far too high."""
    inner = int(np.abs(values + constant).argmax())
    return constant, values + 0.5 * constant * (np.arange(len(values)) == inner)


def unknown(constant: float, values: Array) -> tuple[float, Array]:
    return constant, np.where(np.arange(len(values)) == len(values) // 2, np.nan, values)


FAULTS: dict[str, Fault] = {
    "too small": scaled(0.9),
    "too large": scaled(1.15),
    "negative": scaled(-1.0),
    "nothing": scaled(0.0),
    "raised": shifted(0.3),
    "lowered": shifted(-0.3),
    "wavy": wavy,
    "one value": bumped,
    "not a number": unknown,
}


@dataclass(frozen=True)
class Tried:
    """An attempt that can be made again, and the exact time."""

    arguments: tuple[Any, ...]
    time: float
    centre: Array


@pytest.fixture(scope="module", params=["line", "ball"])
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """What the first attempt of a run is called with."""
    made: list[tuple[Any, ...]] = []

    def noted(*arguments: Any) -> Attempt | str:
        made.append(arguments)
        return attempt(*arguments)

    text, time = line("(x**2 - 1)**2/4", 0.1) + regions(r="x < 0") + leave("r", [-1.0]), OVER_BARRIER
    if request.param == "ball":
        text, time = plane("x**2/2 + y**2/2", 0.1, (8, 8), ROUND) + DISC + CENTRED, OUT_OF_BALL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enclosure, "ROUNDS", 1)
        patch.setitem(enclosure.DEGREES, 2, (8,))
        patch.setattr(enclosure, "attempt", noted)
        solved(tmp_path_factory.mktemp("tried"), text)
    return Tried(made[0], time, np.array([0.0 if request.param == "ball" else -1.0, 0.0, 0.0]))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_wrong_function_gives_wide_bounds_or_none_but_no_wrong_ones(
    monkeypatch: pytest.MonkeyPatch, tried: Tried, fault: Fault
) -> None:
    """That is what a certificate is for: nothing is taken from how the function was found."""
    calls: list[str] = []
    wrong = ""

    def spoiled(constant: float, vector: PETSc.Vec) -> tuple[float, PETSc.Vec]:
        calls.append("v" if len(calls) % 2 else "u")
        if calls[-1] in wrong:
            constant, vector.array[:] = fault(constant, vector.array.copy())
        return constant, vector

    place: Any = Pinned if tried.arguments[2] is None else CurvedEdge
    method = "solve_apart" if place is Pinned else "solve"
    right = getattr(place, method)
    monkeypatch.setattr(place, method, lambda self, *arguments: spoiled(*right(self, *arguments)))
    for wrong in ("u", "v", "uv"):  # noqa: B007
        calls.clear()
        found = attempt(*tried.arguments)
        assert calls == ["u", "v"]
        bounds = None if isinstance(found, str) else found.bounds(0)
        assert bounds is None or bounds[0] <= tried.time <= bounds[1]


@pytest.mark.parametrize("share", [0.3, -0.3])
def test_a_function_that_is_right_in_all_cells_and_bent_between_two_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, tried: Tried, share: float
) -> None:
    """What a point source at a vertex makes is a solution inside of every cell: only its kinks tell."""
    generator = tried.arguments[0]
    space, d = generator.space, generator.model.dimension
    vertices = space.mesh.geometry.x[space.mesh.geometry.dofmaps[0][:, : d + 1].ravel()]
    nodes = space.tabulate_dof_coordinates()
    vertex = vertices[np.abs(np.linalg.norm(vertices - tried.centre, axis=1) - 0.3).argmin()]
    right = Pinned.solve_apart
    left = [1 if tried.arguments[2] is None else 1 + REPEATED]  # solutions that u takes; those of v follow

    def with_source(self: Pinned, load: PETSc.Vec) -> tuple[float, PETSc.Vec]:
        left[0] -= 1
        if left[0] >= 0:
            load = load.copy()
            load.array[np.linalg.norm(nodes - vertex, axis=1).argmin()] += share * load.sum()
        return right(self, load)

    monkeypatch.setattr(Pinned, "solve_apart", with_source)
    found = attempt(*tried.arguments)
    assert isinstance(found, Attempt)
    assert abs(found.times[0, 0] / tried.time - 1.0) > 0.1  # it is wrong
    bounds = found.bounds(0)
    assert bounds is None or bounds[0] <= tried.time <= bounds[1]


def test_the_right_function_gives_bounds(tried: Tried) -> None:
    """The attempts that are spoiled above are good ones."""
    found = attempt(*tried.arguments)
    assert isinstance(found, Attempt)
    bounds = found.bounds(0)
    assert bounds is not None
    assert 0.97 * tried.time < bounds[0] <= tried.time <= bounds[1] < 1.03 * tried.time


def test_values_slopes_and_kinks_at_points(shared_folder: Path) -> None:
    """L u of a polynomial, n . D grad u at walls, and no kinks inside but those of max(x, 0) where x = 0.

    Cells of a box are not all turned the same way, so some pairs of them see the facet between them alike.
    """
    noise = '[["0.3 + x**2", "0.1*y"], ["0.1*y", "0.2"]]'
    given = setting(
        shared_folder, plane("x**2/2 + y**4/4", noise, (4, 2), (1.0, 1.0)) + '[drift]\nextra = ["y", "1"]\n'
    )
    element = basix.create_element(basix.ElementFamily.P, basix.CellType.triangle, 2, basix.LagrangeVariant.gll_warped)
    samples, facets = CellSamples(given.domain, given.model, 4), FacetSamples(given.domain, given.model, 3)
    nodes = Cells.of(given.domain).points(np.asarray(element.points, dtype=float))

    x, y = samples.points[..., 0], samples.points[..., 1]
    values, slopes, image = samples.jet(element, nodes[..., 0] ** 2 + 3 * nodes[..., 0] * nodes[..., 1])
    assert values == pytest.approx(x**2 + 3 * x * y, abs=1e-13)
    assert slopes == pytest.approx(np.stack([2 * x + 3 * y, 3 * x], axis=-1), abs=1e-12)
    spread = 2 * (0.3 + x**2) + 6 * 0.1 * y
    assert image == pytest.approx(spread + (y - x) * (2 * x + 3 * y) + (1 - y**3) * 3 * x, abs=1e-11)

    x, y = facets.points[..., 0], facets.points[..., 1]
    slope = np.stack([2 * x + 3 * y, 3 * x], axis=-1)
    carried = np.stack(
        [(0.3 + x**2) * slope[..., 0] + 0.1 * y * slope[..., 1], 0.1 * y * slope[..., 0] + 0.2 * slope[..., 1]]
    )
    outward = np.where(facets.sides == 1, np.einsum("fqi,ifq->qf", facets.normals, carried), 0.0).T
    kinks = facets.kinks(element, nodes[..., 0] ** 2 + 3 * nodes[..., 0] * nodes[..., 1])
    assert kinks == pytest.approx(outward, abs=1e-12)

    middle = np.isclose(facets.points[..., 0], 0.0, atol=1e-12).all(axis=1)
    kinks = facets.kinks(element, np.maximum(nodes[..., 0], 0.0))
    assert middle.sum() == 2
    assert kinks[middle] == pytest.approx(-0.3)  # up by a slope of one: paths that cross gain
    assert kinks[(facets.sides == 2) & ~middle] == pytest.approx(0.0, abs=1e-12)


def test_what_covers_a_need_does_so_everywhere() -> None:
    """rows (a, b) >= needs with the cheapest a for some height b: less of a misses a row."""
    generator = np.random.default_rng(1)
    rows = np.column_stack([generator.uniform(0.2, 1.0, 50), generator.uniform(-0.1, 1.0, 50)])
    rows[:5, 0] *= -0.01  # where v bends the wrong way, s T has to make up for it
    rows[:5, 1] = 1.0
    needs = generator.uniform(-1.0, 1.0, 50)
    found = covered((1.0, 0.1), rows, needs)
    assert found is not None
    a, b = found
    assert b in HEIGHTS
    assert (rows @ [a, b] >= needs - 1e-12).all()
    assert (rows @ [a - 1e-6, b] < needs - 1e-9).any()
    assert all(
        other is None or 1.0 * other[0] + 0.1 * other[1] >= a + 0.1 * b - 1e-12
        for other in (covered((1.0, price), rows, needs) for price in (0.0, 0.01, 1.0, 10.0))
    )


@pytest.mark.parametrize("spoilt", ["rows", "needs", "costs"])
def test_nothing_is_covered_by_what_is_not_a_number(spoilt: str) -> None:
    parts = {"costs": np.ones(2), "rows": np.ones((4, 2)), "needs": np.full(4, 0.5)}
    assert covered((1.0, 1.0), parts["rows"], parts["needs"]) is not None
    parts[spoilt].flat[1] = np.nan
    assert covered((float(parts["costs"][0]), float(parts["costs"][1])), parts["rows"], parts["needs"]) is None


def test_no_numbers_cover_a_need_that_both_functions_work_against() -> None:
    assert covered((1.0, 1.0), np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([0.0, 1.0])) is None
