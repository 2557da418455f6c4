"""Levels of Noisy SGD are kept as soon as they are measured, each with what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fpsolver.problems.base import Setting
from fpsolver.problems.noisy.identity import Balance
from fpsolver.problems.noisy.levels import Level, Rung, level_name
from fpsolver.problems.noisy.measures import Compared, Marginal, Measured, compared, measured
from fpsolver.problems.noisy.wasserstein import Distance
from fpsolver.problems.observables import Moments
from fpsolver.problems.reach.holds import owned_nodes

Array = npt.NDArray[np.float64]


def looked_at(setting: Setting, number: int, rung: Rung, minima: Array) -> tuple[Measured, Compared | None]:
    """What is measured of a level, and between it and the one before, unless that was done before. Collective.

    Args:
        setting: The case and the outside world.
        number: Of the level.
        rung: The level.
        minima: Of the loss, (m, d).
    """
    if rung.facts is not None:
        found = _measured(rung.level, rung.facts["measured"])
        return found, _compared(found, rung.facts["compared"])
    found = measured(rung.level, setting.case, minima)
    change = compared(rung, found, setting.case)
    level = rung.level
    facts = {
        "content": level.content,
        "backward_error": level.backward_error,
        "measured": _plain(found, "level"),
        "compared": None if change is None else _plain(change, "other"),
    }
    generator = level.state.generator
    setting.keeper.keep(level_name(number), facts, owned_nodes(generator), {"h": level.state.vector.array_r.copy()})
    return found, change


def _plain(found: Measured | Compared, without: str) -> dict[str, object]:
    """Its attributes but one, records among them as tables."""
    values = {name: getattr(found, name) for name in found.__dataclass_fields__ if name != without}
    return {name: _table(value) for name, value in values.items()}


def _table(value: object) -> object:
    if isinstance(value, tuple):
        return [_table(part) for part in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _measured(level: Level, facts: Mapping[str, Any]) -> Measured:
    arrays = {name: np.array(facts[name], dtype=float) for name in ("densest", "near_minima")}
    marginals = tuple(
        Marginal(np.array(each["edges"]), np.array(each["masses"]), (each["inner"][0], each["inner"][1]))
        for each in facts["marginals"]
    )
    records = {"moments": _moments(facts["moments"]), "balance": Balance(**facts["balance"]), "marginals": marginals}
    return Measured(level, **(dict(facts) | arrays | records))


def _compared(other: Measured, facts: Mapping[str, Any] | None) -> Compared | None:
    if facts is None:
        return None
    records = {"one": _moments(facts["one"]), "distance": Distance(**facts["distance"])}
    return Compared(other=other, **(dict(facts) | records | {"pair": tuple(facts["pair"])}))


def _moments(facts: Mapping[str, Any]) -> Moments:
    return Moments(facts["mass"], np.array(facts["mean"]), np.array(facts["covariance"]), facts["regions"])
