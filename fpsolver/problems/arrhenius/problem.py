"""Arrhenius' law of an exit: the same times at several levels of noise, and the lines through their logarithms.

    log E tau = log A + W/level        and the same        + power log(level)        or        + correction level

W is the barrier: that of the loss for D = level I, the quasi-potential in units of the learning rate for SGD (Freidlin
and Wentzell), and A the prefactor. Each level is an exit problem of its own, with weight, wells and mesh made for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from fpsolver.case import Exit
from fpsolver.case.levels import Kind, at_level, level_kind
from fpsolver.errors import SolverFailed
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.problems.arrhenius.fit import TERMS, Fit, fitted, local_slopes
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.killed import Killed, killed
from fpsolver.problems.exit.report import at_start
from fpsolver.problems.exit.starts import Start, starts_of
from fpsolver.problems.exit.theory import absorbing_walls, critical_of, door_of, exit_points, laws_of
from fpsolver.problems.exit.times import solved_times
from fpsolver.problems.landscape.loss_barrier import LossBarrier, loss_barrier, loss_basins
from fpsolver.problems.packing import packed, unpacked
from fpsolver.problems.reach.traps import trapped
from fpsolver.quantity import Quantity
from fpsolver.runtime.ranks import on_root

Array = npt.NDArray[np.float64]
Entry = dict[str, object]

WORDS: dict[Kind, str] = {"learning_rate": "learning rate", "diffusion": "D", "factor": "D times"}

TOO_FEW = "a line needs the times of at least two levels of noise, and finite ones"
NO_ERROR = "two levels give a line and nothing to judge it by; write at least three exit.noise_levels"
NO_TERM = "a further term beside barrier and prefactor needs three levels"
NO_TERM_ERROR = "three levels determine three numbers; a fourth one would judge them"
NO_LOSS = "no way out was found on the lattice of the loss"
ONE_NOISE = "noise is the same everywhere, so the barrier is that of the loss itself"
NO_LOGARITHM = "the loss is not positive all along the way out"


@dataclass(frozen=True)
class Level:
    """The exit at one level of noise.

    Attributes:
        level: The learning rate, D, or the factor on D.
        rate: Escape rate.
        starts: The entries of the starts: times, Kramers' law and their ratio.
        laws: What Kramers' law stands on, per start.
    """

    level: float
    rate: Quantity
    starts: Sequence[Entry]
    laws: Sequence[Mapping[str, object]]

    def time(self, start: int) -> float | None:
        """The mean time from a start, None where there is none."""
        mean = self.starts[start]["mean"]
        assert isinstance(mean, Quantity)
        return mean.value if mean.value is not None and mean.value > 0.0 else None


def arrhenius(setting: Setting, wanted: Exit, problem: Killed, starts: Sequence[Start]) -> Entry:
    """The entry ``arrhenius`` of an exit, nothing where no levels are asked for. Collective.

    Args:
        setting: Of the case.
        wanted: The exit with its levels.
        problem: The exit at the noise of the case.
        starts: Its starts.

    Raises:
        Stopped: The heartbeat said so.
    """
    if not wanted.noise_levels:
        return {}
    kind = level_kind(setting.case.noise)
    levels = [
        _level(setting, wanted, kind, number, level, starts)
        for number, level in enumerate(sorted(wanted.noise_levels, reverse=True))
    ]
    barriers = _loss_barriers(setting, wanted, problem, starts)
    fits = [_fit(setting, levels, i, start, barriers[i]) for i, start in enumerate(starts)]
    if not setting.is_companion:
        columns, rows = table(levels, fits)
        setting.recorder.table(f"arrhenius_{wanted.region}.csv", columns, rows)
    entry: Entry = {"noise": kind}
    if kind == "learning_rate" and setting.case.noise.regularization > 0.0:
        entry["note"] = "the regularization is the same at all learning rates, so D is not a multiple of them"
    listed = [{"level": each.level, "escape_rate": each.rate, "starts": list(each.starts)} for each in levels]
    return {"arrhenius": {**entry, "levels": listed, "fits": fits}}


def _level(setting: Setting, wanted: Exit, kind: Kind, number: int, level: float, starts: Sequence[Start]) -> Level:
    """The exit at a level, with a reason instead of numbers where it is not solved. Collective."""
    twin = setting.with_noise(("level", level), at_level(setting.case.noise, level))
    setting.heartbeat()
    name = f"level_{wanted.region}_{number}"
    if kept := setting.keeper.recall(name):
        found = Level(level, *(unpacked(kept.facts[part]) for part in ("rate", "starts", "laws")))
        twin.of_model.once(("laws", wanted.region), lambda: found.laws)
        return found
    try:
        found = _solved(twin, setting, wanted, level)
    except SolverFailed as failure:  # on all ranks
        none = Quantity(None, why=f"not solved at this level: {str(failure).splitlines()[0]}")
        entry: Entry = {"mean": none, "log10_mean": none, "kramers": none, "ratio": none}
        found = Level(level, none, [entry] * len(starts), [{"kramers": none}] * len(starts))
    facts = {"rate": packed(found.rate), "starts": packed(found.starts), "laws": packed(found.laws)}
    setting.keeper.keep(name, facts, np.zeros((0, setting.case.dimension)), {})
    times = ", ".join("none" if (time := found.time(i)) is None else f"{time:.4g}" for i in range(len(starts)))
    setting.announce(f"exit from {wanted.region} at {WORDS[kind]} {level:g}: mean time {times}")
    return found


def _solved(twin: Setting, setting: Setting, wanted: Exit, level: float) -> Level:
    problem = killed(twin, wanted)
    starts = starts_of(twin, wanted, problem)
    critical = critical_of(setting)  # they do not depend on the noise
    laws = twin.of_model.once(("laws", wanted.region), lambda: laws_of(twin, wanted, problem, starts, critical))
    fate = trapped(twin, wanted, problem)
    if not fate.everywhere:
        problem = replace(problem, fixed=problem.fixed | fate.held)
    times = None
    if not fate.everywhere:
        inverse = Pinned(problem.generator, problem.fixed, problem.pins, "exit", SolveCount())
        times = solved_times(inverse, 2, twin.heartbeat)
        inverse.destroy()
    rate = Quantity(None, why=fate.reason) if times is None else Quantity(times.rate, scale="log")
    entries = []
    for start, law in zip(starts, laws, strict=True):
        computed = at_start(twin, wanted, start, times, fate.reason_at(start.functional))
        entry: Entry = {name: computed[name] for name in ("mean", "log10_mean")}
        if computed["iterations"] is not None:
            entry["iterations"] = computed["iterations"]
        entries.append({**entry, "kramers": law["kramers"], "ratio": _ratio(entry["mean"], law["kramers"])})
    return Level(level, rate, entries, laws)


def _ratio(mean: object, law: object) -> Quantity:
    """The computed time over Kramers' law."""
    assert isinstance(mean, Quantity)
    assert isinstance(law, Quantity)
    if mean.value is None:
        return Quantity(None, why=mean.why)
    if law.value is None:
        return Quantity(None, why=law.why)
    return Quantity(mean.value / law.value, scale="log")


def _loss_barriers(
    setting: Setting, wanted: Exit, problem: Killed, starts: Sequence[Start]
) -> list[LossBarrier | None]:
    """The barrier of the loss for each start, the same for companions. Collective; rank 0 does the work."""

    name = f"loss_barriers_{wanted.region}"

    def found() -> list[LossBarrier | None]:
        keeper = setting.keeper.shared
        if kept := keeper.recall(name):
            return [None if each is None else LossBarrier(**each) for each in kept.facts["barriers"]]
        nodes, critical = exit_points(setting, problem), critical_of(setting)

        def at_root() -> list[LossBarrier | None]:
            door = door_of(setting, wanted, nodes)
            basins = loss_basins(setting.model, setting.case.domain, door, absorbing_walls(setting))
            return [loss_barrier(basins, setting.model, door, critical, np.array(start.point)) for start in starts]

        barriers = on_root(setting.domain.comm, at_root)
        facts = {"barriers": [None if each is None else asdict(each) for each in barriers]}
        keeper.keep(name, facts, np.zeros((0, setting.case.dimension)), {})
        return barriers

    return setting.of_model.once(("loss barriers", wanted.region), found)


def _fit(setting: Setting, levels: Sequence[Level], place: int, start: Start, barrier: LossBarrier | None) -> Entry:
    """The entry of a start: the lines, slopes between levels, and what they are compared with."""
    known = [(each.level, time) for each in levels if (time := each.time(place)) is not None]
    entry: Entry = {"point": list(start.point), "levels_used": len(known)}
    if len(known) < 2:
        none = Quantity(None, why=TOO_FEW)
        return entry | {"barrier": none, "prefactor": none}
    noise, logs = np.array([level for level, _ in known]), np.log(np.array([time for _, time in known]))
    plain = fitted(noise, logs)
    bent = {term: fitted(noise, logs, term) for term in TERMS} if len(known) > 2 else {}
    entry |= _line(plain, _spread(plain, bent.values()), NO_ERROR)
    for term, name in (("power", "with_log"), ("correction", "with_correction")):
        fit = bent.get(term)
        entry[name] = {term: Quantity(None, why=NO_TERM)} if fit is None else _bent(fit, term)
    entry["local_slopes"] = [Quantity(float(slope)) for slope in local_slopes(noise, logs)]
    return entry | _compared(setting, plain, levels[-1], place, barrier)


def _spread(plain: Fit, bent: Iterable[Fit]) -> list[float] | None:
    """Errors of the straight line: from its residuals, or what a further term changes if that is more."""
    if plain.errors is None:
        return None
    return [
        max([plain.errors[0], *(abs(plain.barrier - other.barrier) for other in bent)]),
        max([plain.errors[1], *(abs(plain.log_prefactor - other.log_prefactor) for other in bent)]),
    ]


def _bent(fit: Fit, term: str) -> Entry:
    """A fit with a further term."""
    assert fit.coefficient is not None
    size = 1.0 if term == "power" else 0.0
    errors = None if fit.errors is None else fit.errors[:2]
    error = Quantity(None, why=NO_TERM_ERROR)
    if fit.errors is not None:
        error = Quantity(fit.errors[2], size=max(abs(fit.coefficient), size))
    found = {term: Quantity(fit.coefficient, size=size), f"{term}_error": error}
    return _line(fit, errors, NO_TERM_ERROR) | found


def _line(fit: Fit, errors: Sequence[float] | None, why: str) -> Entry:
    """Barrier and prefactor with the errors of the fit; those of the mesh are estimated as for any number."""
    prefactor = float(np.exp(fit.log_prefactor))
    found: Entry = {"barrier": Quantity(fit.barrier), "prefactor": Quantity(prefactor, scale="log")}
    if errors is None:
        none = Quantity(None, why=why)
        return found | {"barrier_error": none, "prefactor_error": none}
    of_prefactor = float(prefactor * np.expm1(min(errors[1], 500.0)))
    return found | {
        "barrier_error": Quantity(errors[0], size=abs(fit.barrier)),
        "prefactor_error": Quantity(of_prefactor, size=max(prefactor, of_prefactor)),
    }


def _compared(setting: Setting, plain: Fit, last: Level, place: int, barrier: LossBarrier | None) -> Entry:
    """What theory says of barrier and prefactor, at the lowest noise, and the barrier of the loss."""
    law, nats = last.laws[place], last.laws[place].get("kramers_barrier")
    time = law["kramers"]
    assert isinstance(time, Quantity)
    if isinstance(nats, float) and time.value is not None:
        in_units = Quantity(nats * last.level, 0.0)
        found: Entry = {"kramers_barrier": in_units, "kramers_prefactor": Quantity(time.value * np.exp(-nats), 0.0)}
        found["kramers_way"] = law["kramers_way"]
    else:
        none = Quantity(None, why=time.why)
        found = {"kramers_barrier": none, "kramers_prefactor": none}
    if barrier is None:
        return found | {"loss_barrier": Quantity(None, why=NO_LOSS)}
    found["loss_barrier"] = Quantity(barrier.height, 0.0)
    if barrier.height > 0.0:
        found["barrier_over_loss_barrier"] = Quantity(plain.barrier / barrier.height)
    return found | {"power_law": _power_law(setting, plain, barrier)}


def _power_law(setting: Setting, plain: Fit, barrier: LossBarrier) -> Quantity:
    """p of tau ~ (loss at the gate / at the bottom)^(p/level), where noise that grows with the loss suggests it."""
    if setting.model.constant_scalar_diffusion is not None:
        return Quantity(None, why=ONE_NOISE)
    if not 0.0 < barrier.floor < barrier.gate:
        return Quantity(None, why=NO_LOGARITHM)
    return Quantity(plain.barrier / float(np.log(barrier.gate / barrier.floor)))


def table(levels: Sequence[Level], fits: Sequence[Mapping[str, object]]) -> tuple[list[str], Array]:
    """Columns and rows, one per level: noise, escape rate, and per start time, Kramers' law, their ratio and the line.

    Times are decadic logarithms. What is not known is not a number.
    """
    columns = ["level", "inverse_level", "escape_rate"]
    values = [[each.level, 1.0 / each.level, _value(each.rate)] for each in levels]
    for place, fit in enumerate(fits):
        names = ("log10_mean", "log10_kramers", "ratio_to_kramers", "log10_fit")
        columns += [f"{name}_{place + 1}" for name in names]
        slope, factor = _value(fit["barrier"]), _value(fit["prefactor"])
        for row, each in zip(values, levels, strict=True):
            start = each.starts[place]
            line = (np.log(factor) + slope / each.level) / np.log(10.0)
            row += [_value(start["log10_mean"]), np.log10(_value(start["kramers"])), _value(start["ratio"]), line]
    return columns, np.array(values, dtype=float)


def _value(entry: object) -> float:
    assert isinstance(entry, Quantity)
    return np.nan if entry.value is None else entry.value
