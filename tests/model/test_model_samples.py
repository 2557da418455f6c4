"""The mean over samples: against numpy's covariance, the exact structure of the iris neuron, blocks and memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsolver.case import Case, load
from fpsolver.model import Array, build
from fpsolver.model.samples import SampleModel
from tests.model.kinds import BATCH, DATA, SAMPLES_2, SAMPLES_3, Write, random_points, table

IRIS = Path(__file__).parents[2] / "cases" / "iris_neuron.toml"
FIELDS = ("loss", "gradient", "diffusion", "divergence")
RATE = 0.25  # η/(2B) of the iris case


@pytest.fixture(scope="module")
def iris() -> Case:
    return load(IRIS)


def petals() -> tuple[Array, Array]:
    """Feature and target, standardised, straight from the file."""
    file = IRIS.parents[1] / "data" / "iris.csv"
    columns = np.genfromtxt(file, delimiter=",", skip_header=1, usecols=(2, 3))
    feature, target = ((columns - columns.mean(0)) / columns.std(0)).T
    return feature, target


def test_iris_against_a_direct_covariance(iris: Case) -> None:
    """All 150 gradients by hand, np.cov with the population's denominator; Σ is not scaled twice, and not by N - 1."""
    feature, target = petals()
    points = 2 * random_points(30, 2)
    found = build(iris)(points)
    for i, (a, b) in enumerate(points):
        th = np.tanh(a * feature)
        residual = target - b * th
        gradients = np.stack([-residual * b * (1 - th**2) * feature, -residual * th])
        assert found.loss[i] == pytest.approx(np.mean(residual**2) / 2, rel=1e-13)
        np.testing.assert_allclose(found.gradient[i], gradients.mean(axis=1), atol=1e-14)
        np.testing.assert_allclose(found.diffusion[i], RATE * np.cov(gradients, bias=True), rtol=1e-12, atol=1e-14)


def test_iris_minimum_and_axes(iris: Case) -> None:
    model = build(iris)
    found = model(np.array([[0.61648, 1.85942]]))
    assert found.loss[0] == pytest.approx(0.0341595, abs=5e-8)
    assert np.abs(found.gradient).max() < 1e-5
    across = np.linspace(-3, 3, 25)
    nought = np.zeros_like(across)
    for axis in (np.stack([across, nought], 1), np.stack([nought, across], 1)):
        np.testing.assert_allclose(model.loss(axis), 0.5, atol=1e-14)  # the prediction is 0, the target standardised


def test_iris_is_point_symmetric(iris: Case) -> None:
    """tanh is odd: f and D are even, ∇f and ∇·D odd."""
    model = build(iris)
    points = 2 * random_points(40, 2)
    here, there = model(points), model(-points)
    for name, sign in zip(FIELDS, (1, -1, 1, -1), strict=True):
        np.testing.assert_allclose(getattr(there, name), sign * getattr(here, name), rtol=1e-13, atol=1e-15)


def test_iris_has_no_noise_at_the_origin(iris: Case) -> None:
    """All samples have gradient zero there, so the point is never left: D must be 0, not a small number."""
    found = build(iris)(np.zeros((1, 2)))
    assert not found.diffusion.any()
    assert not found.gradient.any()
    assert not found.divergence.any()


@pytest.mark.parametrize(("dimension", "text"), [(2, SAMPLES_2), (3, SAMPLES_3)])
def test_diffusion_is_semidefinite_to_round_off(dimension: int, text: str, write: Write) -> None:
    """With two samples Σ has rank one, so its small eigenvalues are pure round-off."""
    data = "first,second\n0.5,1.0\n-1.5,0.25\n"
    diffusion = build(write(text + BATCH + "covariance = 'samples'\n", dimension, data))(
        random_points(200, dimension)
    ).diffusion
    values = np.linalg.eigvalsh(diffusion)
    assert np.all(values[:, 0] >= -1e-15 * values[:, -1])
    assert np.all(np.abs(values[:, :-1]) <= 1e-14 * values[:, -1:])


@pytest.mark.parametrize(("block", "samples"), [(1, 1), (7, 3), (64, 16), (1000, 4096), (2**22, 4096)])
def test_blocks_do_not_change_the_numbers(block: int, samples: int, write: Write) -> None:
    """Any cut of points and samples; catches a block that is forgotten, weighted twice, or merged without δδᵀ."""
    case = write(SAMPLES_3 + BATCH + "covariance = 'samples'\n", 3, table(60))
    points = random_points(50, 3)
    whole, cut = build(case), SampleModel(case, block, samples)
    expected, found = whole(points), cut(points)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(cut.loss(points), expected.loss, rtol=1e-14)


def test_merging_keeps_digits_where_the_mean_is_large(write: Write) -> None:
    """mean(g gᵀ) - mean(g) mean(g)ᵀ would lose all of them: the gradients are 1e8 + u with u of size 1."""
    data = "first,second\n" + "".join(f"{u},0\n" for u in np.linspace(-1, 1, 101))
    case = write(f"[loss]\nper_sample = 'x*(100000000 + u)'\n{DATA}{BATCH}covariance = 'samples'\n", 1, data)
    exact = np.var(np.linspace(-1, 1, 101)) * 0.125
    for block, samples in ((2**15, 4096), (8, 4)):
        found = SampleModel(case, block, samples)(np.zeros((1, 1))).diffusion[0, 0, 0]
        assert found == pytest.approx(exact, rel=1e-6)


def test_equal_samples_are_merged_with_their_weights(write: Write) -> None:
    """Three copies of a sample count three times."""
    noise = BATCH + "covariance = 'samples'\n"
    points = random_points(20, 2)
    often = build(write(SAMPLES_2 + noise, 2, "first,second\n1,2\n" + "0.5,-1\n" * 3))(points)
    once = [build(write(SAMPLES_2 + noise, 2, f"first,second\n{row}\n")) for row in ("1,2", "0.5,-1")]
    means = [0.25 * one + 0.75 * other for one, other in zip(*(_loss_and_slope(m, points) for m in once), strict=True)]
    np.testing.assert_allclose(often.loss, means[0], rtol=1e-14)
    np.testing.assert_allclose(often.gradient, means[1], rtol=1e-13, atol=1e-14)
    step = once[0](points).gradient - once[1](points).gradient
    np.testing.assert_allclose(often.diffusion, 0.125 * 3 / 16 * step[:, :, None] * step[:, None, :], atol=1e-13)


def _loss_and_slope(model: object, points: Array) -> tuple[Array, Array]:
    assert isinstance(model, SampleModel)
    found = model(points)
    return found.loss, found.gradient


def test_one_sample_makes_no_noise(write: Write) -> None:
    """Σ = 0 for N = 1: only the regularization is left."""
    case = write(SAMPLES_2 + BATCH + "covariance = 'samples'\nregularization = 0.5\n", 2, "first,second\n1,2\n")
    found = build(case)(random_points(5, 2))
    np.testing.assert_array_equal(found.diffusion, np.broadcast_to(0.5 * np.eye(2), (5, 2, 2)))


@pytest.mark.parametrize("loss", ["(x - 1)**2 + y**2", "(x - u)**2 + y**2", "(x + y - u)**2 + 3*v"])
def test_losses_without_some_of_the_names(loss: str, write: Write) -> None:
    """Entries that are constant in the point, in the sample, or in both, are broadcast."""
    case = write(f"[loss]\nper_sample = '{loss}'\n{DATA}{BATCH}covariance = 'samples'\n", 2, table(9))
    found = build(case)(random_points(4, 2))
    assert found.loss.shape == (4,)
    assert np.all(np.isfinite(found.diffusion))
    np.testing.assert_allclose(found.divergence, 0.0, atol=1e-13)  # quadratic losses with the same Hessian everywhere


@pytest.mark.parametrize(("samples", "points"), [(150, 60_000), (20_000, 300)])
def test_memory_does_not_grow(samples: int, points: int, write: Write) -> None:
    """Temporaries stay far below 256 MB; all of them at once would be about 2 GB here."""
    case = write(SAMPLES_2 + BATCH + "covariance = 'samples'\n", 2, _many(samples))
    model, where = build(case), random_points(points, 2)
    tracemalloc.start()
    try:
        model(where)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64e6


def _many(count: int) -> str:
    rows = np.random.default_rng(3).normal(size=(count, 2))
    return "\n".join(["first,second", *(f"{u},{v}" for u, v in rows)]) + "\n"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=1, max_size=12),
    block=st.integers(1, 40),
    samples=st.integers(1, 6),
)
def test_any_data_any_cut(write: Write, rows: list[tuple[int, int]], block: int, samples: int) -> None:
    """Against a direct mean over all samples, in the order of the file, nothing merged."""
    data = "\n".join(["first,second", *(f"{u / 10},{v / 10}" for u, v in rows)]) + "\n"
    case = write(SAMPLES_2 + BATCH + "covariance = 'samples'\n", 2, data)
    points = random_points(6, 2)
    found = SampleModel(case, block, samples)(points)
    u, v = np.array(rows).T / 10
    x, y = points.T[:, :, None]
    th = np.tanh(x * u)
    residual = v - y * th
    gradients = np.stack([-residual * y * (1 - th**2) * u, -residual * th], axis=1)  # (n, 2, N)
    centred = gradients - gradients.mean(axis=2, keepdims=True)
    covariance = np.einsum("njs,nks->njk", centred, centred) / len(rows)
    np.testing.assert_allclose(found.loss, (residual**2).mean(axis=1) / 2, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found.gradient, gradients.mean(axis=2), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found.diffusion, 0.125 * covariance, rtol=1e-11, atol=1e-13)


def test_a_hundred_thousand_samples_fit_into_little_memory(tmp_path: Path) -> None:
    """Named logistic loss on arrays: against numpy, and with temporaries that do not grow with samples times points."""
    rng = np.random.default_rng(7)
    inputs = rng.normal(size=(100_000, 2))
    labels = (inputs @ [1.0, -0.5] + rng.logistic(size=100_000) > 0.0).astype(float)
    np.savez(tmp_path / "d.npz", x=inputs, t=labels)
    text = "[domain]\nlower = [-2.0, -2.0]\nupper = [2.0, 2.0]\ncells = [4, 4]\ncoordinates = ['a', 'b']\n"
    text += "[loss]\nname = 'logistic'\nprediction = 'a*u + b*v'\ntarget = 't'\n[data]\nfile = 'd.npz'\n"
    text += "columns = { u = 'x[0]', v = 'x[1]', t = 't' }\n[noise]\nlearning_rate = 2.0\nbatch_size = 1\n"
    (tmp_path / "case.toml").write_text(text)
    model = build(load(tmp_path / "case.toml"))
    points = 2 * random_points(50, 2)
    tracemalloc.start()
    found = model(points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # one array of samples times points alone would have 40
    for i, point in enumerate(points[:3]):
        wrong = 1.0 / (1.0 + np.exp(-inputs @ point)) - labels
        np.testing.assert_allclose(found.gradient[i], (inputs * wrong[:, None]).mean(axis=0), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(
            found.diffusion[i], np.cov(inputs * wrong[:, None], rowvar=False, bias=True), rtol=1e-10, atol=1e-13
        )
