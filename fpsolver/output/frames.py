"""The formats in which fields are written, one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fpsolver.output import pvd, vtkhdf, vtu

Array = npt.NDArray[np.float64]


class FrameWriter(Protocol):
    """A time series of point fields on one lattice."""

    @property
    def times(self) -> tuple[float, ...]:
        """Times written so far, those of a continued run included."""

    def write(self, time: float, fields: Mapping[str, Array]) -> None:
        """Append a frame; ``fields`` maps names to this rank's values, (points,) or (points, d). Collective."""

    def close(self) -> None:
        """Give the file its final name. Collective; a second call does nothing."""


@dataclass(frozen=True)
class Format:
    """How one ``output.format`` is written.

    Attributes:
        suffix: Of the file that a viewer opens.
        series: ``series(comm, path, lattice, keep_until=None)`` starts a FrameWriter; with ``keep_until`` it continues
            an earlier series and keeps its frames up to that time.
        fields: ``fields(comm, path, lattice, fields)`` writes one static file.
        templates: From the name of a file, without suffix, to templates of the numbered files beside it.
    """

    suffix: str
    series: Callable[..., FrameWriter]
    fields: Callable[..., None]
    templates: Callable[[str], tuple[str, ...]]


FORMATS: dict[str, Format] = {
    "vtkhdf": Format(".vtkhdf", vtkhdf.VtkHdfSeries, vtkhdf.write_fields, lambda _: ()),
    "pvd": Format(".pvd", pvd.PvdSeries, pvd.write_fields, vtu.frame_templates),
}
