"""What figures know about a run: the files of its folder, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fpsolver.errors import BadUsage
from fpsolver.output.curves import covariance_column, mean_column, read_curves, region_column
from fpsolver.output.reader import Frames, open_frames
from fpsolver.output.results import read_results

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A results folder.

    Attributes:
        folder: Where figures go.
        title: Of the case.
        coordinates: Names, one per dimension.
        density: Frames of the density, None without an evolution.
        fields: Static fields, None where there are none.
        curves: Columns of ``curves.csv``, empty where there are none.
        results: ``results.json``, empty where there is none yet.
        has_learning_rate: The case is one of SGD, whose time counts iterations.
        case: ``case.toml`` as it stands.
        convergence: ``convergence.json``, empty where there is none.
    """

    folder: Path
    title: str
    coordinates: tuple[str, ...]
    density: Frames | None = None
    fields: Frames | None = None
    curves: Mapping[str, Array] = field(default_factory=dict)
    results: Mapping[str, object] = field(default_factory=dict)
    has_learning_rate: bool = False
    case: Mapping[str, Any] = field(default_factory=dict)
    convergence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """Of the domain."""
        return len(self.coordinates)

    @property
    def clock(self) -> str | None:
        """What the time of SGD is in iterations, whose step with momentum is √η; None where there is no SGD."""
        if not self.has_learning_rate:
            return None
        return "√(learning rate) × iterations" if "momentum" in self.case else "learning rate × iterations"

    def field(self, name: str) -> Array | None:
        """A static field on ``fields.mesh()``, (points,), or (points, 3) of a vector; None where there is none."""
        if self.fields is None or name not in self.fields.names:
            return None
        return self.fields.values(-1, name)

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the results, empty where the case did not ask for it."""
        entry = self.results.get(name)
        return entry if isinstance(entry, Mapping) else {}

    def mean(self) -> Array | None:
        """Mean of the density at the times of ``curves``, (times, dimension); None without an evolution."""
        return self._columns([mean_column(name) for name in self.coordinates])

    def covariance(self) -> Array | None:
        """Covariance at the times of ``curves``, (times, dimension, dimension); None without an evolution."""
        names, size = self.coordinates, self.dimension
        upper = [(i, j) for i in range(size) for j in range(i, size)]
        columns = self._columns([covariance_column(names[i], names[j]) for i, j in upper])
        if columns is None:
            return None
        matrices = np.empty((len(columns), size, size))
        for (i, j), column in zip(upper, columns.T, strict=True):
            matrices[:, i, j] = matrices[:, j, i] = column
        return matrices

    def regions(self) -> dict[str, Array]:
        """Mass per region at the times of ``curves``."""
        prefix = region_column("")
        return {name.removeprefix(prefix): mass for name, mass in self.curves.items() if name.startswith(prefix)}

    def shown(self, count: int) -> list[int]:
        """At most ``count`` frames for a picture, first and last included, closer together where more happens.

        Half of the weight is the number of frames passed, half is the change of mean, spread and region masses.
        """
        times = self.density.times if self.density is not None else ()
        if len(times) <= count:
            return list(range(len(times)))
        progress = np.linspace(0.0, 1.0, len(times))
        passed = self._change_until(np.array(times))
        if passed[-1] > 0:
            progress = (progress + passed / passed[-1]) / 2
        chosen = [int(np.argmin(np.abs(progress - part))) for part in np.linspace(0.0, 1.0, count)]
        return sorted(set(chosen))

    def _change_until(self, times: Array) -> Array:
        mean, covariance = self.mean(), self.covariance()
        if mean is None or covariance is None or len(mean) < 2:
            return np.zeros(len(times))
        spreads = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
        columns = np.column_stack([mean, spreads, *self.regions().values()])
        features = np.column_stack([np.interp(times, self.curves["time"], column) for column in columns.T])
        ranges = np.ptp(features, axis=0)
        steps = np.abs(np.diff(features[:, ranges > 0] / ranges[ranges > 0], axis=0)).sum(axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    def _columns(self, names: list[str]) -> Array | None:
        if not self.curves or any(name not in self.curves for name in names):
            return None
        return np.column_stack([self.curves[name] for name in names])


def load_run(folder: Path) -> Run:
    """Open a results folder.

    Raises:
        BadUsage: There is no ``case.toml``, or a file cannot be read.
    """
    path = folder / "case.toml"
    try:
        case = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise BadUsage(f"{path}: not there; give the folder of a run, such as results/two_minima") from None
    except ValueError as error:
        raise BadUsage(f"{path}: {error}; run the case again with --fresh") from None
    density, fields = open_frames(folder, "density"), open_frames(folder, "fields")
    if density is not None and not density.times:
        density = None
    domain = case.get("domain", {})
    known = density or fields
    dimension = known.mesh().dimension if known else len(domain.get("lower", domain.get("center", "xy")))
    return Run(
        folder=folder,
        title=str(case.get("title") or folder.resolve().name),
        coordinates=tuple(str(name) for name in domain.get("coordinates", "xyz"[:dimension])),
        density=density,
        fields=fields,
        curves=read_curves(folder / "curves.csv") if (folder / "curves.csv").exists() else {},
        results=read_results(folder) if (folder / "results.json").exists() else {},
        has_learning_rate="learning_rate" in case.get("noise", {}),
        case=case,
        convergence=read_results(folder, "convergence.json") if (folder / "convergence.json").exists() else {},
    )
