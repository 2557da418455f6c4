"""What an evolution says of an open boundary: columns of the curves, entries of the results, the balance of mass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fpsolver.generator.collecting import Counted
from fpsolver.problems.base import Setting
from fpsolver.problems.openings import part_names
from fpsolver.quantity import Quantity


class Passages:
    """Reads what has passed through the boundary; nothing where that is closed.

    Args:
        setting: The case and the outside world.
    """

    def __init__(self, setting: Setting) -> None:
        boundary = setting.case.boundary
        self._is_open = boundary is not None
        self._enters = boundary is not None and boundary.influx is not None
        self._names = part_names(setting)

    @property
    def balance(self) -> str:
        """Name of the check of mass."""
        if not self._is_open:
            return "evolution: mass drift"
        return "evolution: mass left + absorbed" + (" - entered" if self._enters else "") + " - 1"

    def gone(self, counted: Counted | None) -> float:
        """What has left, less what has come in."""
        return 0.0 if counted is None else float(counted.absorbed.sum()) - counted.entered

    def round_off(self, counted: Counted | None, time: float) -> float:
        """Mass that may have gone astray until a time."""
        return 0.0 if counted is None else counted.doubt * time

    def relative(self, time_error: float, mass: float) -> float:
        """An error of the density relative to the mass that there is."""
        return time_error / max(mass, time_error) if self._is_open else time_error

    def columns(self, counted: Counted | None) -> dict[str, float]:
        """Columns of ``curves.csv``."""
        if counted is None:
            return {}
        found = {"absorbed": float(counted.absorbed.sum()), "flux": float(counted.flux.sum())}
        return found | {"entered": counted.entered} if self._enters else found

    def results(self, counted: Counted | None, time_error: float) -> dict[str, object]:
        """Entries of ``results.json``, where a part of the boundary through which nothing can leave has none."""
        if counted is None:
            return {}
        parts = {
            name: {
                "absorbed": Quantity(float(absorbed), floor=time_error, size=1e-3),
                "flux": Quantity(float(flux), size=1e-3),
            }
            for name, absorbed, flux, takes in zip(
                self._names, counted.absorbed, counted.flux, counted.takes, strict=True
            )
            if takes
        }
        found: dict[str, object] = {
            "absorbed": Quantity(float(counted.absorbed.sum()), floor=time_error, size=1e-3),
            "flux": Quantity(float(np.sum(counted.flux)), size=1e-3),
            "through": parts,
        }
        return found | {"entered": Quantity(counted.entered, 0.0)} if self._enters else found

    def summary(self, results: Mapping[str, Any]) -> list[tuple[str, object]]:
        """Lines of the final table."""
        if not self._is_open:
            return []
        lines = [("absorbed", results["absorbed"]), ("flux out", results["flux"])]
        lines += [(f"absorbed at {name}", entry["absorbed"]) for name, entry in results["through"].items()]
        return [*lines, *([("entered", results["entered"])] if self._enters else [])]
