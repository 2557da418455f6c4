"""The model of ``scaling.py``: t = a N^p / R^q + c, fitted to the logarithms of times by least squares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

FEWEST_RUNS = 5
"""Of a fit with four parameters; with fewer c is 0."""

type Measured = tuple[int, int, float]
"""Unknowns, ranks, seconds."""


@dataclass(frozen=True)
class Model:
    """t = a N^p / R^q + c.

    Attributes:
        a, p, q, c: Its numbers; q is 0 where all runs had as many ranks, c is 0 where runs are too few for it.
        spread: exp of the root mean square of log(measured / model), over the degrees of freedom that are left.
        runs: So many were fitted.
    """

    a: float
    p: float
    q: float
    c: float
    spread: float
    runs: int

    def __call__(self, unknowns: float, ranks: float) -> float:
        return self.a * unknowns**self.p / ranks**self.q + self.c


def fitted(runs: Sequence[Measured]) -> Model | None:
    """The model of all runs; None where they have one size only, which says nothing about p."""
    n, r, t = np.array(runs, float).reshape(-1, 3).T
    free = [True, True, bool(np.ptp(r)) if len(runs) else False, len(runs) >= FEWEST_RUNS]
    if len(runs) < sum(free) or np.ptp(n) == 0.0:
        return None
    centre = float(np.exp(np.log(n).mean()))  # a N^p = level (N / centre)^p keeps level and p apart

    def numbers(x: np.ndarray) -> np.ndarray:
        full = np.array([0.0, 1.0, 0.0, 0.0])
        full[free] = x
        return full

    def misfit(x: np.ndarray) -> np.ndarray:
        level, p, q, c = numbers(x)
        return np.log(np.exp(level) * (n / centre) ** p / r**q + c) - np.log(t)

    lower, upper = np.array([-np.inf, 0.0, -3.0, 0.0]), np.array([np.inf, 4.0, 2.0, 0.95 * t.min()])
    start = np.array([np.log(t.mean()), 1.0, 0.5, 0.1 * t.min()])
    found = least_squares(
        misfit, start[free], bounds=(lower[free], upper[free]), x_scale=np.array([1, 1, 1, t.min()])[free]
    )
    level, p, q, c = numbers(found.x)
    left = max(1, len(runs) - sum(free))
    spread = float(np.exp(np.sqrt(2.0 * found.cost / left)))
    return Model(float(np.exp(level) / centre**p), float(p), float(q), float(c), spread, len(runs))


def told(runs: Sequence[Measured]) -> Iterator[str]:
    """The fit, its residual, and what it predicts."""
    model = fitted(runs)
    if model is None:
        yield "\nNo model: runs of more than one size are needed (--parts sizes strong weak)."
        return
    constant = f" + {model.c:.2g}" if model.c else ""
    yield f"\nModel of {model.runs} runs, in seconds: t = {model.a:.3g} N^{model.p:.2f} / R^{model.q:.2f}{constant}"
    yield f"Residual: a run lies a factor {model.spread:.2f} from it (root mean square in the logarithm)."
    if model.runs < FEWEST_RUNS:
        yield f"c is taken as 0, as there are fewer than {FEWEST_RUNS} runs."
    if not model.q:
        yield "Nothing is known about more ranks."
    elif model.q < 0.0:
        yield "More ranks were slower, so nothing is predicted for still more."
    yield "It predicts, beyond what was measured and so with less certainty than the residual says:"
    largest, most = max(run[0] for run in runs), max(run[1] for run in runs)
    for ranks in (most, 2 * most, 4 * most) if model.q > 0.0 else (most,):
        for unknowns in (largest, 4 * largest):
            if (unknowns, ranks) != (largest, most):
                yield f"  {unknowns:>12,} unknowns on {ranks:>5} ranks: {model(unknowns, ranks):.3g} s"
