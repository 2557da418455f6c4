"""SGD itself beside the mean exit time of its diffusion: a few walkers that tell where that is no model of it.

Exit times follow rare sequences of batches, whose chances are those of the data and not of a Gaussian, so they can be
off by any factor where means and covariances at fixed times are right. `fpsolver simulate` follows more walkers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np

from fpsolver.case import Ball, Box, Case, Exit
from fpsolver.problems.base import Setting
from fpsolver.problems.keeper import Forgetful
from fpsolver.problems.simulation.rounds import shared
from fpsolver.problems.simulation.slower import slower
from fpsolver.quantity import Quantity
from fpsolver.simulation.blocks import Scene, Work, iterated, sizes
from fpsolver.simulation.dynamics import dynamics_of
from fpsolver.simulation.lifetimes import Lifetimes
from fpsolver.simulation.minibatch import Minibatches
from fpsolver.simulation.moments import Measure
from fpsolver.simulation.plan import Ensemble, ensembles
from fpsolver.simulation.walls import Walls

WALKERS = 200
ITERATIONS = 20_000
"""At most so many per start ..."""

WORK = 1e10
"""... and so many nanoseconds of one core by a rough estimate, for large batches; it depends on the case alone."""

LONG = 5.0
"""Mean times of the diffusion that walkers are followed for, at most."""

SEED = 1


def sgd_beside(setting: Setting, wanted: Exit, means: Sequence[object]) -> tuple[list[dict[str, object]], list[str]]:
    """For each start its entries ``sgd`` and ``sgd_above``, and warnings; nothing without minibatches. Collective.

    Args:
        setting: The case and the outside world.
        wanted: The exit.
        means: Mean times of the diffusion, one per start.

    Raises:
        Stopped: The heartbeat said so.
    """
    case, step = setting.case, setting.case.step_time
    if setting.is_companion or not _has_minibatches(case, wanted):
        return [{} for _ in means], []
    assert step is not None
    only = replace(case, evolution=None, exits=(wanted,))
    scene = Scene(only, dynamics_of(only), Measure(case.coordinates, case.regions, setting.model.loss), SEED)
    most = int(min(ITERATIONS, max(WORK / (WALKERS * Minibatches(only, Walls(only)).cost), 1.0)))
    found: list[dict[str, object]] = []
    warnings: list[str] = []
    for number, mean in enumerate(means):
        assert isinstance(mean, Quantity)
        last = most if mean.value is None or mean.value <= 0.0 else max(int(min(LONG * mean.value / step, most)), 1)
        ensemble = ensembles(only, last * step)[number]
        lives = _followed(setting, scene, ensemble)
        above = lives.least if lives.exits == 0 else None
        time = Quantity(None, why=_why(lives, last)) if lives.mean is None else Quantity(*astuple(lives.mean))
        found.append({"sgd": time} | ({} if above is None else {"sgd_above": above}))
        warnings += slower(f"mean time to leave {wanted.region} from {ensemble.place}", time, above, mean)
    return found, warnings


def _followed(setting: Setting, scene: Scene, ensemble: Ensemble) -> Lifetimes:
    """The exit times of the walkers. Collective."""
    count = sizes(WALKERS)

    def begin(block: int) -> Work:
        return iterated(scene, ensemble, block, count[block])

    comm = setting.domain.comm
    blocks = shared(comm, "sgd", len(count), begin, Forgetful(), setting.heartbeat, lambda share: None)
    return Lifetimes.of(np.array([time for block in blocks for time in block.times["sgd"]]), ensemble.end, ())


def _why(lives: Lifetimes, last: int) -> str:
    return f"of {WALKERS} walkers nobody left in {last} iterations: with 99 % the mean is above {lives.least:.3g}"


def _has_minibatches(case: Case, wanted: Exit) -> bool:
    """Whether the case is one of SGD that walkers can follow, and [simulation] does not do so anyway."""
    noise, size = case.noise, case.noise.batch_size
    is_of_data = case.loss is not None and case.loss.kind == "per_sample" and case.data is not None
    is_whole = size is not None and float(size).is_integer() and noise.learning_rate is not None
    is_simulated = case.simulation is not None and case.simulation.kind == "sgd"
    from_file = wanted.initial is not None and wanted.initial.kind == "file"
    simple = case.schedule is None and case.boundary is None and isinstance(case.domain, Box | Ball)
    return is_of_data and is_whole and noise.covariance == "samples" and simple and not (is_simulated or from_file)
