"""What walkers say, as rows of one table: the value of the diffusion, the error of its step, and the value of SGD.

A row says where the same number of the equation for the density stands: a ``column`` of a table of the run, at the
``time`` of the row, or an ``entry`` of its results, by its path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from fpsolver.case import Case
from fpsolver.quantity import Quantity
from fpsolver.simulation.blocks import Block
from fpsolver.simulation.lifetimes import Lifetimes
from fpsolver.simulation.moments import Estimate, Moments
from fpsolver.simulation.plan import Ensemble

Row = dict[str, object]

NOBODY = "no walker is left"
BETWEEN = "SGD has no iteration then; write output_times that are multiples of {:g}"

AT_ONCE = 0.01
"""An iteration counts as one at a time that it misses by no more than this share of the time."""

FEW = 0.01
"""Share of walkers that have not left up to which a mean time is one that can be compared."""


def evolution_rows(ensemble: Ensemble, blocks: Mapping[str, Sequence[Block]], case: Case, walkers: int) -> list[Row]:
    """Masses, means, covariances and mean losses at the times of the ensemble.

    Args:
        ensemble: The walkers.
        blocks: By method, ``sde`` and, if it was followed, ``sgd``.
        case: The case.
        walkers: How many there are in all.
    """
    names, size = tuple(case.regions), case.dimension
    found: list[Row] = []
    for number, time in enumerate(ensemble.times):

        def at(method: str, path: str, number: int = number) -> Moments | None:
            rows = np.array([block.rows[path][number] for block in blocks[method]])
            return Moments.of(rows, walkers, names, size)

        fine, coarse = at("sde", "h"), at("sde", "2h")
        sgd = at("sgd", "sgd") if "sgd" in blocks else None
        for label, column in _labels(case):
            value, twice = (_pick(moments, column, case) for moments in (fine, coarse))
            row: Row = {"quantity": label, "time": time, "column": column, "sde": _quantity(value, NOBODY)}
            row["step_bias"] = None if value is None or twice is None else twice.value - value.value
            if "sgd" in blocks:
                row["sgd"] = _of_sgd(sgd, column, case, time)
            found.append(row)
    return found


def _of_sgd(moments: Moments | None, column: str, case: Case, time: float) -> Quantity:
    """What SGD says, unless its iterations miss the time."""
    step = case.step_time
    assert step is not None
    if abs(round(time / step) * step - time) > AT_ONCE * time:
        return Quantity(None, why=BETWEEN.format(step))
    return _quantity(_pick(moments, column, case), NOBODY)


def _labels(case: Case) -> Iterator[tuple[str, str]]:
    """What a quantity is called, and the column of ``curves.csv`` that has it."""
    if case.boundary is not None:
        yield "mass", "mass"
    for name in case.regions:
        yield f"mass in {name}", f"region_{name}"
    for name in case.coordinates:
        yield f"mean of {name}", f"mean_{name}"
    for i, one in enumerate(case.coordinates):
        for other in case.coordinates[i:]:
            yield f"covariance of {one}, {other}", f"covariance_{one}_{other}"
    if case.loss is not None:
        yield "mean loss", "mean_loss"


def _pick(moments: Moments | None, column: str, case: Case) -> Estimate | None:
    if moments is None:
        return None
    found: dict[str, Estimate] = {"mass": moments.mass, "mean_loss": moments.loss}
    found |= {f"region_{name}": share for name, share in moments.regions.items()}
    for i, one in enumerate(case.coordinates):
        found[f"mean_{one}"] = moments.mean[i]
        found |= {f"covariance_{one}_{other}": moments.covariance[i][j] for j, other in enumerate(case.coordinates)}
    return found[column]


def exit_rows(ensemble: Ensemble, lives: Mapping[str, Lifetimes], coarse: Lifetimes) -> list[Row]:
    """Mean, standard deviation, quantiles and survival of the exit times of one start.

    Args:
        ensemble: The walkers.
        lives: By method, ``sde`` and, if it was followed, ``sgd``.
        coarse: Of the diffusion in steps of 2h.
    """
    assert ensemble.region is not None
    assert ensemble.start is not None
    of, part = f"{ensemble.region.name} from {ensemble.place}", ["exit", ensemble.exit]
    start = [*part, "starts", ensemble.start]

    def row(label: str, entry: Sequence[object], pick: Callable[[Lifetimes], Estimate | None]) -> Row:
        value, twice = pick(lives["sde"]), pick(coarse)
        open_ended = entry[-1] == "mean"
        bias = None if value is None or twice is None else twice.value - value.value
        found: Row = {
            "quantity": label,
            "entry": list(entry),
            "sde": _lasting(value, lives["sde"], open_ended=open_ended),
            "step_bias": bias,
        }
        return found | (
            {"sgd": _lasting(pick(lives["sgd"]), lives["sgd"], open_ended=open_ended)} if "sgd" in lives else {}
        )

    found = [
        row(f"mean time to leave {of}", [*start, "mean"], lambda each: each.mean)
        | {f"{method}_above": each.least for method, each in lives.items() if each.exits == 0},
        row(f"deviation of the time to leave {of}", [*start, "standard_deviation"], lambda each: each.deviation),
    ]
    for level in sorted({level for each in lives.values() for level in each.quantiles}):
        place = [*start, "survival", "quantiles", f"{level:g}"]
        found.append(row(f"time until {level:.0%} have left {of}", place, partial(_quantile, level)))
    for time in ensemble.times:
        share = row(f"probability to be still in {of}", part, partial(_survival, time))
        found.append(share | {"time": time, "column": f"survival_{ensemble.start + 1}"})
    return found


def _quantile(level: float, lives: Lifetimes) -> Estimate | None:
    return lives.quantiles.get(level)


def _survival(time: float, lives: Lifetimes) -> Estimate | None:
    return lives.survival.get(time)


def _lasting(estimate: Estimate | None, lives: Lifetimes, *, open_ended: bool) -> Quantity:
    """An estimate, or why there is none; of an open-ended one what it supposes, where more than few have not left."""
    if estimate is not None and open_ended and lives.censored > FEW:
        why = f"{lives.censored:.1%} had not left at t = {lives.end:.4g}: (time inside)/(exits), right without memory"
        return Quantity(estimate.value, estimate.half, why=why)
    if estimate is not None:
        return Quantity(estimate.value, estimate.half)
    if lives.exits == 0:
        return Quantity(
            None, why=f"nobody left before t = {lives.end:.4g}: with 99 % the mean is above {lives.least:.3g}"
        )
    left = f"{lives.exits} of {lives.walkers} walkers left before t = {lives.end:.4g}"
    return Quantity(None, why=f"{left}, too few for this number")


def _quantity(estimate: Estimate | None, why: str) -> Quantity:
    return Quantity(None, why=why) if estimate is None else Quantity(estimate.value, estimate.half)
