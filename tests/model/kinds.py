"""One case text per way of giving loss, drift and noise: the table over which the tests run; and differences."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from fpsolver.case import Case
from fpsolver.model import Array

Write = Callable[..., Case]

LOSS_1 = "[loss]\nexpression = '(x**2 - 1)**2/4 + sin(3*x)'\n"
LOSS_2 = "[loss]\nexpression = '(x**2 - 1)**2/4 + 2*(y - x/2)**2 + cos(x*y)'\n"
LOSS_3 = "[loss]\nexpression = '(x**2 - 1)**2/4 + (y + 0.5*(x**2 - 1))**2 + (z - 0.5*x*y)**2'\n"
DATA = "[data]\nfile = 'data.csv'\ncolumns = { u = 'first', v = 'second' }\n"
SAMPLES_1 = "[loss]\nper_sample = '(v - tanh(x*u))**2/2'\n" + DATA
SAMPLES_2 = "[loss]\nper_sample = '(v - y*tanh(x*u))**2/2'\n" + DATA
SAMPLES_3 = "[loss]\nper_sample = '(v - y*tanh(x*u + z))**2/2 + 0.01*(x**2 + y**2*z**2)'\n" + DATA
BATCH = "[noise]\nlearning_rate = 0.5\nbatch_size = 2\n"
MATRIX = "[['0.1*(0.3 + 0.5*x*x)', '0.05*x*y'], ['0.05*x*y', '0.1*(0.3 + 0.5*y*y)']]"
FULL_3 = "[['6 + x*y', '0.2*x*z', '0.1*y**2'], ['0.2*x*z', '8 + sin(z)', 'x*y*z'], ['0.1*y**2', 'x*y*z', '12 + z**2']]"

KINDS: dict[str, tuple[int, str]] = {
    "scalar, one dimension": (1, LOSS_1 + "[noise]\ndiffusion = '0.3*(0.01 + x**2)'\n"),
    "constant scalar": (2, LOSS_2 + "[noise]\ndiffusion = 0.1\n"),
    "variable scalar": (2, LOSS_2 + "[noise]\ndiffusion = '0.1 + x**2*exp(y)'\n"),
    "diagonal": (2, LOSS_2 + "[noise]\ndiffusion = ['0.1 + y**2', '0.1 + exp(x*y)']\n"),
    "matrix": (2, LOSS_2 + f"[noise]\ndiffusion = {MATRIX}\nregularization = 0.01\n"),
    "matrix, three dimensions": (3, LOSS_3 + f"[noise]\ndiffusion = {FULL_3}\n"),
    "covariance": (2, LOSS_2 + BATCH + f"covariance = {MATRIX}\n"),
    "drift and loss": (2, LOSS_2 + "[drift]\nextra = ['-y', 'x*y']\n[noise]\ndiffusion = 0.1\n"),
    "drift alone": (2, f"[drift]\nextra = ['y', '-x**3 + x - y']\n[noise]\ndiffusion = {MATRIX}\n"),
    "samples, one dimension": (1, SAMPLES_1 + BATCH + "covariance = 'samples'\n"),
    "samples": (2, SAMPLES_2 + BATCH + "covariance = 'samples'\nregularization = 0.02\n"),
    "samples, three dimensions": (3, SAMPLES_3 + BATCH + "covariance = 'samples'\n"),
    "samples with a diffusion": (2, SAMPLES_2 + f"[noise]\ndiffusion = {MATRIX}\n"),
    "samples with a covariance": (2, SAMPLES_2 + BATCH + f"covariance = {MATRIX}\nregularization = 0.02\n"),
}


def table(count: int = 40, seed: int = 1) -> str:
    """A CSV file of random samples, some of them equal."""
    rows = np.random.default_rng(seed).normal(size=(count, 2)).round(1)
    rows[count // 2 :] = rows[: count - count // 2]
    return "\n".join(["first,second", *(f"{u},{v}" for u, v in rows)]) + "\n"


def difference(function: Callable[[Array], Array], points: Array, step: float = 2e-3) -> Array:
    """∂_k of a function of points (n, d) with values (n, ...), as (n, ..., d): sixth order, by Richardson twice."""
    slopes = []
    for axis in range(points.shape[1]):
        shift = np.zeros(points.shape[1])
        shift[axis] = step

        def central(scale: float, shift: Array = shift) -> Array:
            return (function(points + scale * shift) - function(points - scale * shift)) / (2 * scale * step)

        rows = [central(scale) for scale in (4.0, 2.0, 1.0)]
        once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(rows)]
        slopes.append((16 * once[1] - once[0]) / 15)
    return np.stack(slopes, axis=-1)


def random_points(count: int, dimension: int, seed: int = 0) -> Array:
    """Points in the middle of the box."""
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (count, dimension))
