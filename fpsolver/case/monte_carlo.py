"""``[simulation]``: the same case by Monte Carlo, and ``noise.replacement``: how minibatches are drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fpsolver.case.reading import Reader
from fpsolver.case.schema import SECTIONS
from fpsolver.case.schema_loss import is_of_data

if TYPE_CHECKING:
    from fpsolver.case.sections import Data, Noise


@dataclass(frozen=True)
class Simulation:
    """Monte-Carlo check of the same case.

    Attributes:
        kind: ``sde``: the diffusion; ``sgd``: real minibatches beside it.
        walkers: How many.
        seed: Of the random numbers.
        step: Largest time step of the diffusion; None: chosen from the case.
        max_time: Walkers are followed until then; None: chosen so that the work is limited.
    """

    kind: Literal["sde", "sgd"]
    walkers: int
    seed: int
    step: float | None = None
    max_time: float | None = None


def read_simulation(reader: Reader, noise: Noise | None) -> Simulation | None:
    """The section; None where it is absent. What cannot be simulated is noted."""
    values = reader.section("simulation")
    if values is None:
        return None
    ledger, raw = reader.ledger, reader.raw
    kind, walkers, seed = (
        values.get(name, SECTIONS["simulation"][name].default) for name in ("kind", "walkers", "seed")
    )
    domain, boundary = (raw.get(name) for name in ("domain", "boundary"))
    if kind == "sgd":
        _check_sgd(reader, noise, has_samples=is_of_data(raw))
    if isinstance(domain, dict) and domain.get("shape") == "mesh":
        advice = 'write shape = "box" or "ball", or remove [simulation]'
        ledger.add(("simulation",), "walkers cannot reflect from the walls of a mesh file", advice)
    if isinstance(boundary, dict) and "influx" in boundary and "exit" not in raw:
        wrong = "walkers that come in through the boundary are not simulated"
        ledger.add(("simulation",), wrong, "remove boundary.influx or [simulation]")
    if "evolution" not in raw and "exit" not in raw:
        advice = "write [evolution] or [[exit]], or remove [simulation]"
        ledger.add(("simulation",), "there is nothing to simulate", advice)
    _check_initial(reader)
    return Simulation(kind, walkers, seed, values.get("step"), values.get("max_time"))


def _check_sgd(reader: Reader, noise: Noise | None, *, has_samples: bool) -> None:
    path, ledger = ("simulation", "kind"), reader.ledger
    if not has_samples:
        ledger.add(path, '"sgd" needs a loss per sample', 'write kind = "sde", or loss.per_sample or name, with [data]')
    elif noise is not None and noise.batch_size is None:
        advice = 'write noise.learning_rate and batch_size, or kind = "sde"'
        ledger.add(path, '"sgd" needs a learning rate and a batch', advice)
    elif noise is not None and noise.batch_size != int(noise.batch_size or 0):
        wrong = f"a minibatch of {noise.batch_size:g} rows cannot be drawn"
        ledger.add(path, wrong, 'write a whole number for noise.batch_size, or kind = "sde"')
    if "schedule" in reader.raw:
        wrong = "minibatches with a schedule are not simulated"
        ledger.add(path, wrong, 'write kind = "sde", whose noise follows the schedule, or remove [schedule]')


def _check_initial(reader: Reader) -> None:
    exits = reader.raw.get("exit")
    tables = [("evolution", reader.raw.get("evolution"))]
    tables += [(f"exit.{i}", entry) for i, entry in enumerate(exits if isinstance(exits, list) else [])]
    for where, table in tables:
        initial = table.get("initial") if isinstance(table, dict) else None
        if isinstance(initial, dict) and "file" in initial:
            wrong = f"walkers cannot start from the density of an earlier run ({where}.initial)"
            reader.ledger.add(("simulation",), wrong, "write a gaussian, point, uniform or expression")


def drawn(reader: Reader, noise: Noise | None, data: Data | None) -> Noise | None:
    """The noise of minibatches that are drawn as the case says, with or without replacement."""
    table = reader.raw.get("noise")
    if noise is None or not isinstance(table, dict) or table.get("replacement", True) is not False:
        return noise
    ledger, path = reader.ledger, ("noise", "replacement")
    if data is None:
        if "data" not in reader.raw:
            wrong = "without data there are no rows to be drawn without replacement"
            ledger.add(path, wrong, "write replacement = true, or loss.per_sample with [data]")
        return noise
    if noise.batch_size is None:
        ledger.add(path, "only used with learning_rate and batch_size", "write them, or replacement = true")
        return noise
    if noise.batch_size > data.samples:
        wrong = f"{noise.batch_size:g} rows cannot be drawn from {data.samples} without replacement"
        ledger.add(("noise", "batch_size"), wrong, f"write at most {data.samples}, or replacement = true")
        return noise
    schedule = reader.raw.get("schedule")
    if isinstance(schedule, dict) and "batch_size" in schedule:
        advice = "write replacement = true, or remove schedule.batch_size"
        ledger.add(path, "the noise of batches that grow is known for drawing with replacement only", advice)
    return replace(noise, population=data.samples)
