"""The density at the end of a run as h at the nodes, in a form that does not depend on ranks: ``final_state.npz``.

A later run starts from it with ``evolution.initial = { file = "results folder" }``.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from mpi4py import MPI

from fpsolver.errors import BadUsage
from fpsolver.output.collective import gather_pieces, on_root
from fpsolver.runtime import atomic
from fpsolver.state import FinalState

NAME = "final_state.npz"


def write_state(comm: MPI.Intracomm, path: Path, state: FinalState) -> None:
    """Gather the owned nodes of all ranks and write them. Collective."""
    pieces = gather_pieces(comm, (state.points, state.values))

    def write() -> None:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            time=state.time,
            degree=state.degree,
            points=np.concatenate([points for points, _ in pieces]),
            values=np.concatenate([values for _, values in pieces]),
            kind=state.kind,
            floor=state.floor,
            ceiling=state.ceiling,
            ratio=state.ratio,
            spline=np.zeros(0) if state.spline is None else state.spline,
        )
        atomic.write_bytes(path, buffer.getvalue())

    on_root(comm, write, path)


def read_state(folder: Path) -> FinalState:
    """The final state in a results folder.

    Raises:
        BadUsage: There is none, or it is damaged.
    """
    path = Path(folder) / NAME
    try:
        with np.load(path, allow_pickle=False) as file:
            return FinalState(
                float(file["time"]),
                int(file["degree"]),
                np.asarray(file["points"], dtype=float),
                np.asarray(file["values"], dtype=float),
                str(file["kind"]),
                float(file["floor"]),
                float(file["ceiling"]),
                float(file["ratio"]),
                np.asarray(file["spline"], dtype=float) if file["spline"].size else None,
            )
    except FileNotFoundError:
        raise BadUsage(
            f"{path}: not there; evolution.initial.file names the results folder of a finished run with [evolution]"
        ) from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise BadUsage(f"{path}: damaged; run that case again with --fresh") from None
