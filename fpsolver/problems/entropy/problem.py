"""How fast the process forgets where it began: relative entropies along the evolution, their balance and their rates.

See `dissipation` for what they are and `entropy_rows` for how they are measured. Here the rows of an evolution become
numbers: how much there was at first and at last, the late rate, the time to lose all but a hundredth, the largest
defect of the balance dH/dt = -I; and the theorems on decay beside what was measured.
"""

from __future__ import annotations

import numpy as np

from fpsolver.certificate import Check
from fpsolver.generator.generator import Generator
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.entropy.curve import ENTRIES, INTERESTING
from fpsolver.problems.entropy.late_rate import LateRate
from fpsolver.problems.entropy.table import contradictions, summary_of
from fpsolver.problems.entropy.theory import theory_of_decay
from fpsolver.problems.entropy.watcher import EntropyWatcher
from fpsolver.problems.evolution.problem import evolution_of
from fpsolver.problems.limits import BACKWARD_ERROR
from fpsolver.problems.stationary.spectrum import spectrum
from fpsolver.problems.stationary.whole import whole
from fpsolver.quantity import Quantity

BALANCE = {False: 1e-2, True: 1e-6}
"""Largest relative defect of dH/dt = -I. It converges with the mesh; in the monotone scheme the balance is exact."""

SLOW = 0.1
"""An entropy that loses less than this fraction of itself to its slowest mode will not show its late rate."""


def solve_entropy(setting: Setting) -> Answer:
    """Relative entropies along the evolution of the case. Collective.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    evolved = evolution_of(setting)
    watcher, generator = evolved.watched["entropy"], evolved.answer.generator
    assert generator is not None  # as it has just been used
    assert isinstance(watcher, EntropyWatcher)
    if watcher.why is not None:
        return _nothing(setting, generator, watcher.why)
    curves = watcher.curves()
    gap, balanced = _spectrum(setting)
    rates = {curve.name: _awaited(curve.rate(), gap, float(curve.times[-1])) for curve in curves}
    entries = {curve.name: curve.entry(rates[curve.name]) for curve in curves}
    results: dict[str, object] = {**entries, "mixing_time": curves[0].mixing_time(), **_distance(watcher)}
    checks: list[Check] = []
    if not setting.is_companion:
        defects = [defect for curve in curves if (defect := curve.balance()) is not None]
        results["balance"] = max(defects, default=None)
        checks = [curve.rise_check(monotone=generator.monotone) for curve in curves]
        if defects:
            checks.append(Check("entropy: balance dH/dt = -I, relative", max(defects), BALANCE[generator.monotone]))
        checks.append(Check("backward error of solves", watcher.count.backward_error, BACKWARD_ERROR))
    theory = theory_of_decay(setting, {name: _rate(entry) for name, entry in entries.items()}, gap, balanced)
    summary = [line for curve in curves for line in _summary(curve.name, entries[curve.name])]
    summary.append(("mixing time", results["mixing_time"]))
    return Answer(
        "entropy",
        results | {"spectral_gap": gap} | theory,
        generator,
        checks,
        warnings=contradictions(theory),
        summary=[*summary, *summary_of(theory)],
    )


def _nothing(setting: Setting, generator: Generator, why: str) -> Answer:
    """The answer where there is no stationary density to refer to: reasons, and theory."""
    wanted = setting.case.entropy
    assert wanted is not None
    missing = Quantity(None, why=why)
    results: dict[str, object] = {kind: dict.fromkeys(ENTRIES, missing) for kind in wanted.kinds}
    theory = theory_of_decay(setting, {}, missing)
    results |= {"mixing_time": missing, "spectral_gap": missing, **theory}
    summary = [("relative entropies", missing), *summary_of(theory)]
    return Answer("entropy", results, generator, [], summary=summary)


def _distance(watcher: EntropyWatcher) -> dict[str, object]:
    """The distance at the end, and the bound of it by Pinsker's inequality."""
    last = watcher.rows[-1]
    found: dict[str, object] = {"distance": Quantity(last.distance, size=INTERESTING)}
    for entropy, measured in zip(watcher.entropies, last.kinds, strict=True):
        if entropy.name == "kl" and np.isfinite(measured.value):
            found["pinsker"] = Quantity(float(np.sqrt(2.0 * measured.value)), size=INTERESTING)
    return found


def _spectrum(setting: Setting) -> tuple[Quantity, bool]:
    """The smallest non-zero real part of the spectrum, and whether detailed balance holds."""
    domain = whole(setting)
    state = domain.state
    assert state is not None
    modes = spectrum(domain.inverse, domain.solved, 1, setting.heartbeat)
    if not modes:
        return Quantity(None, why="no eigenvalue but 0 was found"), state.balanced
    return Quantity(modes[0].value.real, scale="log"), state.balanced


def _awaited(rate: LateRate, gap: Quantity, end: float) -> LateRate:
    """A late rate; where there is none because the slowest decay takes far longer than the evolution, it says that."""
    if rate.rate is not None or gap.value is None or 2.0 * gap.value * end > SLOW:
        return rate
    return LateRate(
        None,
        why=f"the slowest mode decays at {2.0 * gap.value:.2g}, twice the spectral gap: hardly at all by the end of "
        "the evolution; what is seen to fall belongs to faster ones",
    )


def _rate(entry: dict[str, object]) -> Quantity | None:
    rate = entry["rate"]
    assert isinstance(rate, Quantity)
    return rate if rate.value is not None else None


def _summary(name: str, entry: dict[str, object]) -> list[tuple[str, object]]:
    """Lines for the final table."""
    ends = [(f"{name} at the {end}", entry[key]) for end, key in (("start", "initial"), ("end", "final"))]
    return [*ends, (f"late rate of {name}", entry["rate"])]
