"""Walkers of a case from text, on this process alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fpsolver.case import Case, load
from fpsolver.model import build
from fpsolver.simulation.blocks import Block, Scene, Work, diffused, iterated, sizes
from fpsolver.simulation.dynamics import dynamics_of
from fpsolver.simulation.lifetimes import Lifetimes
from fpsolver.simulation.moments import Measure, Moments
from fpsolver.simulation.plan import ensembles, legs_of


def case_of(folder: Path, text: str, *overrides: str) -> Case:
    """The case of a text."""
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, overrides)


def scene_of(case: Case, *, bridge: bool = True, seed: int = 1) -> Scene:
    """What its blocks share."""
    measure = Measure(case.coordinates, case.regions, build(case).loss)
    return Scene(case, dynamics_of(case), measure, seed, bridge=bridge)


def finished(work: Work) -> Block:
    """A block that is worked through."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            return ended.value


def moments(case: Case, step: float, walkers: int, method: str = "sde", seed: int = 1) -> list[Moments]:
    """At the output times of the evolution."""
    scene, ensemble = scene_of(case, seed=seed), ensembles(case, 1e9)[0]
    found = []
    for number, count in enumerate(sizes(walkers)):
        if method == "sgd":
            found.append(finished(iterated(scene, ensemble, number, count)).rows["sgd"])
        else:
            legs = legs_of(ensemble, case, step)
            found.append(finished(diffused(scene, ensemble, legs, number, count)).rows["h"])
    rows = np.array(found)
    every = [Moments.of(rows[:, k], walkers, tuple(case.regions), case.dimension) for k in range(len(ensemble.times))]
    return [each for each in every if each is not None]


def lifetimes(case: Case, step: float, end: float, walkers: int, *, bridge: bool = True) -> tuple[Lifetimes, Lifetimes]:
    """Of the first start of the first exit, in steps of h and of 2h."""
    scene = scene_of(case, bridge=bridge)
    ensemble = next(each for each in ensembles(case, end) if each.region is not None)
    legs = legs_of(ensemble, case, step)
    blocks = [finished(diffused(scene, ensemble, legs, number, count)) for number, count in enumerate(sizes(walkers))]
    fine, coarse = (np.array([time for block in blocks for time in block.times[path]]) for path in ("h", "2h"))
    return Lifetimes.of(fine, end, ()), Lifetimes.of(coarse, end, ())
