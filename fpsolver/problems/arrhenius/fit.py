"""Lines through logarithms of times: a barrier and a prefactor, and how well they are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.case import Exit

Array = npt.NDArray[np.float64]

TERMS: dict[str, Callable[[Array], Array]] = {"power": np.log, "correction": lambda levels: levels}
"""What may be added to log A + W/level, times a number of its own: a power of the level in the prefactor, as at an exit
against the slope, or the next order of Laplace's method, as at an exit over a saddle."""


@dataclass(frozen=True)
class Fit:
    """log tau = log A + W/level + coefficient * term(level).

    Attributes:
        barrier: W.
        log_prefactor: log A.
        coefficient: Of the further term; None where there is none.
        errors: Standard errors of these from the residuals, in this order; None with as many numbers as levels.
    """

    barrier: float
    log_prefactor: float
    coefficient: float | None
    errors: tuple[float, ...] | None


def fitted(levels: Array, logs: Array, term: str | None = None) -> Fit:
    """The line of least squares.

    Args:
        levels: Noise, (n,), all different; at least two, or three with a further term.
        logs: Logarithms of the times, (n,).
        term: A key of `TERMS`, or None for a straight line in 1/level.
    """
    columns = [1.0 / levels, np.ones_like(levels)] + ([] if term is None else [TERMS[term](levels)])
    matrix = np.column_stack(columns)
    scale = np.abs(matrix).max(axis=0)
    orthogonal, upper = np.linalg.qr(matrix / scale)
    found = np.linalg.solve(upper, orthogonal.T @ logs) / scale
    free = len(levels) - matrix.shape[1]
    errors = None
    if free > 0:
        variance = float(((logs - matrix @ found) ** 2).sum()) / free
        inverse = np.linalg.inv(upper) / scale[:, None]
        errors = tuple(float(x) for x in np.sqrt(variance * (inverse**2).sum(axis=1)))
    return Fit(float(found[0]), float(found[1]), None if term is None else float(found[2]), errors)


def local_slopes(levels: Array, logs: Array) -> Array:
    """d log tau / d(1/level) between neighbouring levels, (n - 1,), in the order of the levels."""
    return np.asarray(np.diff(logs) / np.diff(1.0 / levels))


def barriers(wanted: Exit, results: Mapping[str, object]) -> list[tuple[str, object]]:
    """Lines of the final table, from the entry of an exit; none without a fit."""
    entry = results.get("arrhenius")
    if not isinstance(entry, Mapping):
        return []
    lines: list[tuple[str, object]] = []
    for fit in entry["fits"]:
        where = ", ".join(f"{x:g}" for x in fit["point"])
        lines.append((f"barrier of {wanted.region} from ({where})", fit["barrier"]))
        lines += [("  known from the fit up to", fit["barrier_error"])] if "barrier_error" in fit else []
    return lines
