"""The rate at which an entropy falls at last, with its uncertainty.

    H(t) ~ a e^(-rt)                                        the slowest mode is real
    H(t) ~ e^(-rt) (a + b cos wt + c sin wt)                it turns: r = 2 Re lambda, w = 2 Im lambda

Either is fitted with relative weights, the first to the last decade, the second from where the entropy is so small that
h is close to 1, if that shows most of a turn. A faster mode that is still there makes the slope change along the
window: the uncertainty is how much the rate changes when the window begins later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

Array = npt.NDArray[np.float64]

DECADE = 10.0
FEWEST = 4
"""Rows that a fit needs; one that turns needs twice as many."""

SMALL = 0.05
"""Nats, or chi^2: below, the square of h - 1 decides and modes add up."""

STRAIGHT = 3e-3
"""Root mean square of relative residuals above which a straight line is not believed at once."""

GAIN = 5.0
"""A turning fit has to leave so many times smaller residuals than a straight one."""

BAD = 0.02
"""Relative residuals, or relative uncertainty, of a fit that says nothing."""

LEAST_TURN = 0.75 * 2.0 * math.pi
"""Angle that the rows have to see of a turn."""

FREQUENCIES = 200


@dataclass(frozen=True)
class LateRate:
    """A fitted rate.

    Attributes:
        rate: r, per unit of time; None where there is none.
        error: Its uncertainty, of the fit alone.
        frequency: w of a fit that turns, else 0.
        begin: First time of the window.
        end: Last one.
        why: Why there is no rate.
    """

    rate: float | None
    error: float = math.nan
    frequency: float = 0.0
    begin: float = math.nan
    end: float = math.nan
    why: str | None = None


def late_rate(times: Array, values: Array, floor: float) -> LateRate:
    """The rate of the last decade of an entropy.

    Args:
        times: Ascending, (n,).
        values: The entropy, not a number where it is not known, (n,).
        floor: What is left of it when the evolution has come to rest: values near it mean nothing.
    """
    use = np.isfinite(values) & (values > floor)
    times, values = times[use], values[use]
    if len(times) < FEWEST:
        return LateRate(None, why="fewer than four output times at which the entropy is known")
    fallen = float(values.max() / values[-1])
    if fallen < DECADE:
        return LateRate(
            None,
            why=f"the entropy has fallen by a factor of {fallen:.3g} only, and a late rate needs a whole decade; "
            "write a larger evolution.end_time",
        )
    found = _straight(times, values, _last(values, DECADE))
    if found.residual > STRAIGHT:
        turning = _turning(times, values)
        if turning is not None and GAIN * turning.residual < found.residual:
            found = turning
    if not (found.residual < BAD and found.error < BAD * abs(found.rate)):
        return LateRate(
            None,
            why="over its last decade the entropy does not fall exponentially yet; write a larger evolution.end_time, "
            "or more frames if it turns faster than they show",
        )
    return LateRate(found.rate, found.error, found.frequency, found.begin, found.end)


@dataclass(frozen=True)
class _Fit:
    rate: float
    residual: float
    error: float
    frequency: float
    begin: float
    end: float


def _last(values: Array, factor: float) -> int:
    """The first of the rows at the end that are within a factor of the last one; a few at least."""
    above = np.flatnonzero(values > factor * values[-1])
    return min(int(above[-1]) + 1 if len(above) else 0, len(values) - FEWEST)


def _straight(times: Array, values: Array, begin: int) -> _Fit:
    """A straight line through the logarithms from a row on."""

    def slope(first: int) -> tuple[float, float]:
        t, y = times[first:] - times[-1], np.log(values[first:])
        found, offset = np.polyfit(t, y, 1)
        return -float(found), float(np.std(y - found * t - offset))

    rate, residual = slope(begin)
    later = slope(min((begin + len(times)) // 2, len(times) - 2))[0]
    return _Fit(rate, residual, abs(later - rate), 0.0, float(times[begin]), float(times[-1]))


def _turning(times: Array, values: Array) -> _Fit | None:
    """A turning mode, from where the entropy is small on; None where the rows do not show a turn."""
    above = np.flatnonzero(values > SMALL)
    begin = int(above[-1]) + 1 if len(above) else 0
    found = _turn(times[begin:], values[begin:], None)
    if found is None:
        return None
    rate, frequency, residual = found
    if frequency * (times[-1] - times[begin]) < LEAST_TURN:
        return None
    later = begin + (len(times) - begin) // 3
    again = _turn(times[later:], values[later:], (rate, frequency))
    error = abs(again[0] - rate) if again is not None else residual * abs(rate)
    return _Fit(rate, residual, error, frequency, float(times[begin]), float(times[-1]))


def _turn(times: Array, values: Array, start: tuple[float, float] | None) -> tuple[float, float, float] | None:
    """Rate, frequency and relative residual of a turning mode, from a start or from the best of many frequencies."""
    if len(times) < 2 * FEWEST:
        return None
    t = times - times[0]

    def defect(shape: Array) -> Array:
        """What the best amplitudes leave."""
        waves = np.column_stack([np.ones_like(t), np.cos(shape[1] * t), np.sin(shape[1] * t)])
        basis = np.exp(-shape[0] * t)[:, None] * waves / values[:, None]
        return np.asarray(basis @ np.linalg.lstsq(basis, np.ones_like(t), rcond=None)[0] - 1.0)

    if start is None:
        slope = -float(np.polyfit(t, np.log(values), 1)[0])
        highest = math.pi / float(np.median(np.diff(t)))
        tried = [np.array([slope, w]) for w in np.linspace(LEAST_TURN / t[-1], highest, FREQUENCIES)]
        best = min(tried, key=lambda shape: float((defect(shape) ** 2).sum()))
    else:
        best = np.array(start)
    fit = least_squares(defect, best, x_scale=np.abs(best) + 1e-12 / t[-1])
    rate, frequency = (float(number) for number in fit.x)
    return rate, abs(frequency), float(np.sqrt(np.mean(fit.fun**2)))
