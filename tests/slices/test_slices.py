"""Slices of a linear network: its loss and covariance are quadratic and known, and so are the best directions."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from torch_box import NoTorch, python_with_torch

from fpsolver.case import load
from fpsolver.model import Array, build

PROJECT = Path(__file__).parents[2]
AXIS = np.linspace(-2.0, 2.0, 9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the program with PyTorch has left."""
    place = tmp_path_factory.mktemp("slices")
    try:
        python = python_with_torch(place)
    except NoTorch as reason:
        pytest.skip(f"no PyTorch to make slices with: {reason}")
    words = [python, str(Path(__file__).with_name("linear_network.py")), str(place)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return place


def arrays(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as opened:
        return {name: opened[name] for name in opened.files}


def exact(given: dict[str, Array], directions: Array, place: Array, decay: float = 0.0) -> tuple[float, Array]:
    """Loss, and covariance along the directions, of the linear network at a place of the slice."""
    inputs = np.column_stack([given["x"], np.ones(len(given["x"]))])
    point = given["centre"] + place @ directions
    residual = inputs @ point - given["y"]
    along = (inputs * residual[:, None]) @ directions.T
    return float(np.mean(residual**2) / 2 + decay / 2 * point @ point), np.cov(along.T, bias=True).reshape(
        len(directions), len(directions)
    )


@pytest.mark.parametrize(("name", "decay"), [("hessian", 0.0), ("noise", 0.0), ("random", 0.0), ("decay", 0.5)])
def test_a_slice_is_the_quadratic_form(folder: Path, name: str, decay: float) -> None:
    """On every tenth point; with weight decay, which is no noise, and batches from a loader."""
    given, table = arrays(folder / "given.npz"), arrays(folder / f"{name}.npz")
    directions = table["directions"]
    d = len(directions)
    np.testing.assert_allclose(directions @ directions.T, np.eye(d), atol=1e-14)
    upper = [(k, m) for k in range(d) for m in range(k, d)]
    for index in np.ndindex(*table["loss"].shape):
        if sum(index) % 10:
            continue
        loss, covariance = exact(given, directions, AXIS[list(index)], decay)
        assert table["loss"][index] == pytest.approx(loss, rel=1e-12)
        found = table["covariance"][index]
        np.testing.assert_allclose(found, [covariance[pair] for pair in upper], rtol=1e-11, atol=1e-12)


def test_leading_directions_are_eigenvectors(folder: Path) -> None:
    given = arrays(folder / "given.npz")
    inputs = np.column_stack([given["x"], np.ones(len(given["x"]))])
    gradients = inputs * (inputs @ given["centre"] - given["y"])[:, None]
    for name, matrix in {"hessian": inputs.T @ inputs / len(inputs), "noise": np.cov(gradients.T, bias=True)}.items():
        vectors = np.linalg.eigh(matrix)[1][:, ::-1].T
        overlap = np.abs(given[name] @ vectors[: len(given[name])].T)
        np.testing.assert_allclose(overlap, np.eye(len(overlap)), atol=1e-7)


def test_a_slice_is_a_case(folder: Path) -> None:
    """Read as a table: the loss is quadratic, so its spline is it, also between the points."""
    text = "[domain]\nlower = [-2.0, -2.0]\nupper = [2.0, 2.0]\ncells = [4, 4]\n[loss]\ntable = 'noise.npz'\n"
    (folder / "case.toml").write_text(f"{text}[noise]\nlearning_rate = 2.0\nbatch_size = 1\ncovariance = 'table'\n")
    model = build(load(folder / "case.toml"))
    given, points = arrays(folder / "given.npz"), np.random.default_rng(0).uniform(-2.0, 2.0, (20, 2))
    found = model(points)
    for i, point in enumerate(points):
        loss, covariance = exact(given, given["noise"], point)
        assert found.loss[i] == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(found.diffusion[i], covariance, rtol=2e-2, atol=2e-2 * np.trace(covariance))


def test_refusals(folder: Path) -> None:
    found = {name: str(text) for name, text in arrays(folder / "given.npz").items() if text.dtype.kind == "U"}
    assert "direction 2 depends on those before it" in found["dependent"]
    assert 'write reduction="none"' in found["mean"]
    assert "5 parameters" in found["many"]
    assert "57 inputs and 5 targets" in found["lengths"]


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_derivatives_of_classes(folder: Path, name: str) -> None:
    if not (folder / f"derivatives_{name}.npz").exists():
        pytest.skip(f"there is no {name} beside PyTorch")
    found = arrays(folder / f"derivatives_{name}.npz")
    x, y = found["points"].T
    np.testing.assert_allclose(found["slope"], np.stack([3 * x**2 * y, x**3], axis=1), rtol=1e-14)
    bend = np.stack([6 * x * y, 3 * x**2, 3 * x**2, 0 * x], axis=1).reshape(-1, 2, 2)
    np.testing.assert_allclose(found["bend"], bend, rtol=1e-14, atol=1e-15)
    assert not found["constant"].any()
    np.testing.assert_allclose(np.einsum("nijj->ni", found["tensor"]), 3 * found["points"], rtol=1e-14)
