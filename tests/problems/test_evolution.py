"""The evolution of densities from case to numbers: against exact solutions, with observed orders."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cases import PROJECT, Evolved, box, evolved
from fpsolver import load
from fpsolver.case.sections import Initial
from fpsolver.errors import BadUsage
from fpsolver.generator import forms
from fpsolver.study.api import solve
from tests import equations, exact
from tests.equations import COMM, NO_WEIGHT, largest, linear

parallel = pytest.mark.parallel
"""Some of these; the others take the same way through the program and would cost minutes."""


def two_wells(cells: tuple[int, int], d: float = 0.1, end: float = 1.0, more: str = "", degree: int = 4) -> str:
    """R2 of the reference values: f = (x^2 - 1)^2 / 4 + 2 y^2 from a Gaussian of std 0.1 at (-1, 0)."""
    return (
        box([-2.0, -1.5], [2.0, 1.5], cells)
        + f'[loss]\nexpression = "(x**2 - 1)**2/4 + 2*y**2"\n[noise]\ndiffusion = {d}\n'
        + '[regions]\nleft = "x < 0"\nright = "x > 0"\n'
        + f"[discretization]\ndegree = {degree}\n"
        + "[evolution]\ninitial = { gaussian = { mean = [-1.0, 0.0], std = 0.1 } }\n"
        + f"end_time = {end}\noutput_times = [{end}]\n{more}"
    )


# cells per direction for one comparison of orders, degree, and the orders that are observed there
ORDERS = [
    (1, [(24, 18), (48, 36), (96, 72)], 2.0, 0.3),
    (2, [(12, 9), (24, 18), (48, 36)], 3.5, 0.9),
    (4, [(8, 6), (16, 12), (32, 24)], 6.5, 1.6),
]


@pytest.mark.parametrize("end", [1.0, 10.0])
def test_two_wells_within_2e_5_with_at_most_ten_thousand_unknowns(shared_folder: Path, end: float) -> None:
    run = evolved(shared_folder, two_wells((24, 18), end=end))
    assert run.unknowns <= 10_000
    assert run.l1_error(partial(exact.double_well(0.1), end)) < 2e-5
    assert run.passed
    assert run.results["mass"]["value"] == pytest.approx(1.0, abs=1e-12)


@parallel
def test_masses_of_two_wells_are_the_reference_values(shared_folder: Path) -> None:
    """R2.evo: mass of x > 0 and mean of x at t = 10 (0.13075 and -0.68274 in cases/double_well.toml)."""
    run = evolved(shared_folder, two_wells((24, 18), end=10.0))
    assert run.region("right") == pytest.approx(0.13075, abs=1e-5)
    assert run.mean[0] == pytest.approx(-0.68274, abs=1e-5)
    assert run.region("left") + run.region("right") == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("degree", "meshes", "order", "margin"), ORDERS, ids=["degree 1", "degree 2", "degree 4"])
def test_the_density_converges_at_the_order_of_its_degree(
    shared_folder: Path, degree: int, meshes: list[tuple[int, int]], order: float, margin: float
) -> None:
    solution = partial(exact.double_well(0.1), 1.0)
    errors = [evolved(shared_folder, two_wells(cells, degree=degree)).l1_error(solution) for cells in meshes]
    observed = [float(np.log2(a / b)) for a, b in pairwise(errors)]
    assert observed[-1] == pytest.approx(order, abs=margin), (errors, observed)
    assert min(observed) > order - margin - 0.5


@pytest.mark.parametrize("d", [0.1, 0.01])
def test_a_million_times_the_first_output(shared_folder: Path, d: float) -> None:
    """At D = 0.1 (gap 0.0335) t = 1e6 is stationary: halves are halves. At D = 0.01 (gap 6.15e-12, reference.json
    R2.gap.d0.01) the left well has long been in equilibrium and 1e6 gap/2 of the mass has crossed."""
    text = two_wells((20, 16), d=d, end=1e6).replace("output_times = [1000000.0]", "output_times = [1.0, 1e3, 1e6]")
    run = evolved(shared_folder, text)
    assert np.isfinite(run.mean).all()
    assert run.results["mass"]["value"] == pytest.approx(1.0, abs=1e-11)
    if d == 0.1:
        assert run.l1_error(exact.gibbs_double_well(d)) < 1e-9
        assert run.region("right") == pytest.approx(0.5, abs=1e-10)
    else:
        assert run.region("right") == pytest.approx(1e6 * 6.154650175906947e-12 / 2, rel=0.1)


@pytest.mark.parametrize(
    ("extra", "mean", "covariance"),
    [
        (  # acceptance case evolution_R4a: A = [[1, 1], [-1, 0.5]], D = diag(0.2, 0)
            ["-x-y", "x-0.5*y"],
            [0.2945579025176283, 0.17427526158963066],
            [[0.15229562454899695, 0.04754864511429481], [0.04754864511429481, 0.05340835953578397]],
        ),
        (  # acceptance case evolution_R4b: A = [[2, 1], [1, 2]], D = diag(0.2, 0)
            ["-2*x-y", "-x-2*y"],
            [0.23068507837643867, -0.21077025102929195],
            [[0.11238815890945346, -0.029929294984279126], [-0.029929294984279126, 0.014219722798326994]],
        ),
    ],
    ids=["R4a", "R4b"],
)
def test_singular_noise_has_the_moments_of_the_exact_gaussian(
    shared_folder: Path, extra: list[str], mean: list[float], covariance: list[list[float]]
) -> None:
    """Noise on x alone, which reaches y through the drift; the weight is fitted."""
    text = (
        box([-4.0, -4.0], [4.0, 4.0], (24, 24))
        + f'[drift]\nextra = {extra}\n[noise]\ndiffusion = [["0.2", "0"], ["0", "0"]]\n'
        + "[evolution]\ninitial = { gaussian = { mean = [0.8, -0.4], std = 0.22360679774997896 } }\n"
        + "end_time = 1.0\noutput_times = [1.0]\ntolerance = 1e-8\n"
    )
    run = evolved(shared_folder, text)
    np.testing.assert_allclose(run.mean, mean, atol=1e-4)
    np.testing.assert_allclose(run.covariance, covariance, atol=1e-4)
    assert run.passed


DRIFT = np.diag([2.0, 4.0])
ALONG = np.full((2, 2), 0.02)
"""Noise along (1, 1) only."""


def error_and_negative_mass(diagonal: str) -> tuple[float, float]:
    """In square cells, of which one diagonal runs along the noise and the other across; against the exact Gaussian."""
    initial = Initial("gaussian", mean=(-0.3, 0.2), std=0.12)
    domain = equations.box([-1.0, -1.0], [1.0, 1.0], (12, 12), diagonal)
    generator, states = equations.evolved(linear(DRIFT, ALONG), domain, 2, NO_WEIGHT, initial, [1.0], 1e-7)
    mean, covariance = exact.linear_moments(DRIFT, ALONG, [-0.3, 0.2], 0.12**2 * np.eye(2), 1.0)
    negative = np.minimum(equations.density(generator, states[0].vector), 0.0)
    error = equations.l1_error(generator, states[0].vector, exact.gaussian(mean, covariance))
    return error, equations.l1(generator, negative)


def test_noise_along_the_mesh_edges_needs_the_facet_term(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse on purpose. Edges along the noise are the better mesh, unless the term is missing: then it falls apart
    into lines and is by far the worse; the other diagonal hides the defect."""
    along, across = error_and_negative_mass("right"), error_and_negative_mass("left")
    monkeypatch.setattr(forms, "FACET_PENALTY", 0.0)
    bare_along, bare_across = error_and_negative_mass("right"), error_and_negative_mass("left")
    assert along[0] < across[0]
    assert along[1] < across[1]
    assert bare_along[0] > 2 * along[0]
    assert bare_along[1] > 3 * along[1]
    assert bare_across == pytest.approx(across, rel=0.1)


def growing_noise(cells: int = 60) -> str:
    return (
        box([-5.0], [5.0], (cells,))
        + '[loss]\nexpression = "x**2/2"\n[noise]\ndiffusion = "0.3*(0.01 + x**2)"\n'
        + '[regions]\ntail = "x**2 > 1"\n[evolution]\ninitial = { gaussian = { mean = [0.3], std = 0.2 } }\n'
        + "end_time = 200.0\noutput_times = [200.0]\n[[probe]]\npoint = [0.0]\n"
    )


@parallel
def test_noise_that_depends_on_the_place_is_ito(shared_folder: Path) -> None:
    """rho ~ (0.01 + x^2)^(-1 - 1/0.6): mass of x^2 > 1 and density at 0 of reference.json, R6.tail and R6.rho0.

    Without the term div D the exponent were -1/0.6 and the tail a thousand times heavier.
    """
    run = evolved(shared_folder, growing_noise())
    assert run.region("tail") == pytest.approx(1.648353736119869e-05, rel=1e-3)
    probe = run.solution.answers["evolution"].probes[0]["density"].value
    assert probe == pytest.approx(7.842881545526408, rel=1e-3)
    x = np.linspace(-5, 5, 200_001)
    other = (0.01 + x**2) ** (-1 / 0.6)
    assert other[np.abs(x) > 1].sum() / other.sum() > 100 * 1.648353736119869e-05


def test_one_neuron_on_iris_petals() -> None:
    """Mass on the wrong side at t = 0.5, 2, 10 (values in the header of the case, from finer meshes and simulation)."""
    overrides = ["domain.cells=[24,24]", "evolution.output_times=[0.5,2.0,10.0]", "evolution.end_time=10.0"]
    case = load(PROJECT / "cases" / "iris_neuron.toml", overrides)
    run = Evolved(solve(replace(case, stationary=None, entropy=None, splitting=None, exits=())))
    course = run.course("a_negative")
    assert [course[time] for time in (0.5, 2.0, 10.0)] == pytest.approx([0.09104, 0.02303, 0.01752], rel=0.01)
    assert run.results["min_density"] >= 0.0


def ornstein_uhlenbeck(initial: str, cells: int = 12, d: float = 0.2, ends: str = "0.5") -> str:
    return (
        box([-3.0, -3.0], [3.0, 3.0], (cells, cells))
        + f'[loss]\nexpression = "0.5*x**2 + y**2"\n[noise]\ndiffusion = {d}\n[regions]\ndisc = "x**2 + y**2 < 1"\n'
        + f'half = "x < 0.13"\n[evolution]\ninitial = {initial}\nend_time = {ends}\noutput_times = [{ends}]\n'
    )


@parallel
@pytest.mark.parametrize(
    ("initial", "mean", "covariance", "within"),
    [
        ("{ gaussian = { mean = [0.6, -0.3], std = [0.3, 0.2] } }", [0.6, -0.3], [0.09, 0.04], 1e-6),
        ("{ gaussian = { mean = [0.61, -0.33], std = 1e-5 } }", [0.61, -0.33], [1e-10, 1e-10], 1e-5),
        ("{ point = [0.6, -0.3] }", [0.6, -0.3], [0.0, 0.0], 1e-5),
        ("{ point = [0.5, 0.5] }", [0.5, 0.5], [0.0, 0.0], 1e-5),
        ('{ uniform = "disc" }', [0.0, 0.0], [0.25, 0.25], 1e-4),
        ('{ expression = "1 + sign(1 - max(abs(x - 0.1), abs(y)))" }', [0.1, 0.0], [1 / 3, 1 / 3], 2e-3),
    ],
    ids=["gaussian", "narrow gaussian", "point", "point at a vertex", "uniform on a disc", "expression with a jump"],
)
def test_every_kind_of_start_has_its_moments_and_keeps_the_laws_of_the_equation(
    shared_folder: Path, initial: str, mean: list[float], covariance: list[float], within: float
) -> None:
    """f = x^2/2 + y^2: m_i(t) = m_i e^{-k_i t}, C_ii(t) = C_ii e^{-2k_i t} + d (1 - e^{-2k_i t})/k_i, k = (1, 2)."""
    run = evolved(shared_folder, ornstein_uhlenbeck(initial))
    first = run.solution.record.curves[0][1]
    assert first.mass == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(first.mean, mean, atol=within)
    np.testing.assert_allclose(np.diag(first.covariance), covariance, atol=within)
    assert first.covariance[0, 1] == pytest.approx(0.0, abs=within)
    decay = np.exp(-0.5 * np.array([1.0, 2.0]))
    np.testing.assert_allclose(run.mean, mean * decay, atol=within)
    expected = covariance * decay**2 + 0.2 * (1 - decay**2) / [1.0, 2.0]
    np.testing.assert_allclose(np.diag(run.covariance), expected, atol=max(within, 2e-5))


@parallel
def test_a_point_has_its_mean_exactly_and_no_covariance_at_the_start(shared_folder: Path) -> None:
    """The functional v -> v(x0), exact for the polynomials of the space; there is no density to draw at t = 0."""
    run = evolved(shared_folder, ornstein_uhlenbeck("{ point = [0.61, -0.33] }"))
    time, first = run.solution.record.curves[0]
    assert time == 0.0
    np.testing.assert_allclose(first.mean, [0.61, -0.33], atol=2e-5)  # x is w x / w, not quite in the space
    np.testing.assert_allclose(first.covariance, 0.0, atol=1e-4)
    assert [frame.time for frame in run.solution.record.frames] == [0.5]


def test_a_point_is_the_limit_of_narrow_gaussians(shared_folder: Path) -> None:
    """The mean square distance of the densities later falls with the variance of the start."""
    point = evolved(shared_folder, ornstein_uhlenbeck("{ point = [0.61, -0.33] }"))
    gaps = []
    for std in (0.2, 0.1, 0.05):
        narrow = evolved(shared_folder, ornstein_uhlenbeck(f"{{ gaussian = {{ mean = [0.61, -0.33], std = {std} }} }}"))
        a, b = point.solution.record.frames[-1].density, narrow.solution.record.frames[-1].density
        gaps.append(largest(a - b))
    assert gaps[0] / gaps[1] == pytest.approx(4.0, rel=0.15)
    assert gaps[1] / gaps[2] == pytest.approx(4.0, rel=0.15)


def test_a_point_becomes_the_exact_gaussian(shared_folder: Path) -> None:
    run = evolved(shared_folder, ornstein_uhlenbeck("{ point = [0.61, -0.33] }", cells=20))
    mean, covariance = exact.linear_moments(np.diag([1.0, 2.0]), 0.2 * np.eye(2), [0.61, -0.33], np.zeros((2, 2)), 0.5)
    assert run.l1_error(exact.gaussian(mean, covariance)) < 1e-4


@parallel
@pytest.mark.parametrize("loss", ["x**2 + 2*y**2", "x**2 + 2*y**2 + 7"])
def test_the_mean_loss_of_a_parabola(shared_folder: Path, loss: str) -> None:
    """E[x^2] + 2 E[y^2] of an Ornstein-Uhlenbeck process; the error stated does not depend on a constant."""
    run = evolved(
        shared_folder,
        box([-2.0, -2.0], [2.0, 2.0], (16, 16))
        + f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = 0.1\n'
        + "[evolution]\ninitial = { gaussian = { mean = [0.5, -0.3], std = 0.2 } }\nend_time = 0.4\n",
    )
    moments = [
        np.exp(-2.0 * rate * 0.4) * (mean**2 + 0.04) + 0.1 / rate * (1.0 - np.exp(-2.0 * rate * 0.4))
        for rate, mean in ((2.0, 0.5), (4.0, -0.3))
    ]
    constant = 7.0 if "7" in loss else 0.0
    found = run.results["mean_loss"]
    assert found["value"] - constant == pytest.approx(moments[0] + 2.0 * moments[1], rel=1e-6)


@pytest.mark.parametrize("method", ["krylov", "sdirk"])
def test_both_methods_give_the_same_numbers(shared_folder: Path, method: str) -> None:
    text = two_wells((12, 9), end=3.0, more=f'method = "{method}"\ntolerance = 1e-6\n')
    run = evolved(shared_folder, text)
    reference = evolved(shared_folder, two_wells((12, 9), end=3.0, more="tolerance = 1e-11\n"))
    assert run.region("right") == pytest.approx(reference.region("right"), abs=1e-6)
    assert run.results["steps"] > 0


@parallel
def test_the_density_of_the_frames_is_positive_and_of_the_right_mass(shared_folder: Path) -> None:
    """Coarse on purpose: the linear density has negative parts, the frames have none."""
    text = two_wells((8, 6), end=1.0).replace("output_times = [1.0]", "output_times = [0.01, 0.1, 1.0]")
    run = evolved(shared_folder, text)
    assert run.results["min_density"] >= 0.0
    assert run.results["moved_mass"] > 0.0
    frames = run.solution.record.frames
    assert [frame.time for frame in frames] == [0.0, 0.01, 0.1, 1.0]
    for frame in frames:
        assert frame.density.min(initial=0.0) >= 0.0
    last = frames[-1]
    corners = last.lattice.points[last.lattice.cells][:, :, :2]
    area = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 2
    mass = COMM.allreduce(float(area @ last.density[last.lattice.cells].mean(axis=1)))
    assert mass == pytest.approx(1.0, abs=0.03)


@parallel
def test_a_density_that_the_mesh_does_not_resolve_fails_the_certificate(shared_folder: Path) -> None:
    """More than 1e-2 of the mass is moved at an output time; the answer and a warning are there nevertheless."""
    text = two_wells((4, 3), end=0.005).replace("std = 0.1", "std = 0.02")
    run = evolved(shared_folder, text)
    assert run.results["moved_mass"] > 1e-2
    assert not run.passed
    failed = [c for c in run.solution.answers["evolution"].checks if not c.passed]
    assert ["projection" in check.name for check in failed] == [True]
    warnings = run.solution.answers["evolution"].warnings
    assert any("use smaller cells (domain.cells)" in warning for warning in warnings)


@parallel
def test_a_probe_outside_the_mesh_is_refused(shared_folder: Path) -> None:
    """Loading refuses what lies outside the box; the mesh has the last word."""
    case = load_with_probe(shared_folder, [0.0, 0.0])
    with pytest.raises(BadUsage, match=r"probe: the point \[7.0, 0.0\] lies outside the mesh; move it inside"):
        solve(replace(case, probes=((7.0, 0.0),)))


def load_with_probe(folder: Path, point: list[float]) -> object:
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(two_wells((4, 3)) + f"[[probe]]\npoint = {point}\n", encoding="utf-8")
    COMM.barrier()
    return load(path)
