"""The text of cases with stationary states and exit times."""

from __future__ import annotations

from collections.abc import Sequence

from tests.problems.cases import box

WELLS = "(x**2 - 1)**2/4 + 2*y**2"
"""Two wells at (+-1, 0) with a barrier of 1/4 at (0, 0): R2 of the reference values."""


def line(
    loss: str, noise: float | str, cells: int = 40, ends: tuple[float, float] = (-2.0, 2.0), degree: int = 4
) -> str:
    """A model on an interval."""
    return box([ends[0]], [ends[1]], [cells]) + _model(loss, f'"{noise}"', degree)


def plane(
    loss: str,
    noise: float | str,
    cells: tuple[int, int] = (24, 18),
    corner: tuple[float, float] = (2.0, 1.5),
    diagonal: str = "right",
    degree: int = 4,
) -> str:
    """A model on a rectangle around 0; noise is a number or a matrix in TOML."""
    return box([-corner[0], -corner[1]], corner, cells, diagonal) + _model(loss, str(noise), degree)


def _model(loss: str, noise: str, degree: int) -> str:
    drift = f'[loss]\nexpression = "{loss}"\n' if loss else ""
    return f"[discretization]\ndegree = {degree}\n{drift}[noise]\ndiffusion = {noise}\n"


def brownian(lower: Sequence[float], upper: Sequence[float], cells: Sequence[int], d: float, degree: int = 4) -> str:
    """Noise alone."""
    still = ["0"] * len(lower)
    return box(lower, upper, cells) + f"[drift]\nextra = {still}\n" + _model("", str(d), degree)


def regions(**conditions: str) -> str:
    """The section [regions]."""
    return "[regions]\n" + "".join(f'{name} = "{condition}"\n' for name, condition in conditions.items())


def leave(region: str, *starts: Sequence[float], more: str = "") -> str:
    """A section [[exit]]."""
    points = [[float(x) for x in point] for point in starts]
    return f'[[exit]]\nregion = "{region}"\nstart = {points}\n{more}'


def settle(eigenvalues: int = 2) -> str:
    """The section [stationary]."""
    return f"[stationary]\neigenvalues = {eigenvalues}\n"
