"""What an unfinished run has found so far, under names, in a form that depends on no partition: ``checkpoint/*.npz``.

An entry is a tree of plain numbers and words, the facts, and arrays whose rows are located at points. Whoever reads
them brings points of their own, so a run may go on with another number of ranks. Files are zip archives of plain arrays
(no pickles), whose checksums tell a torn one; of each name the last two are kept, and the earlier one serves where the
last is damaged. An entry of another case or another version is no entry.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from scipy.spatial import cKDTree

from fpsolver.output.collective import gather_pieces, on_root
from fpsolver.runtime import atomic

Array = npt.NDArray[np.float64]

FOLDER = "checkpoint"
_SCHEMA = 1
_CHUNK = 100_000  # rows that travel at once
_SAME = 1e-9  # of the extent of the points: nearer than this they are one


@dataclass(frozen=True)
class Located:
    """Values at points.

    Attributes:
        points: This rank's, (n, d).
        values: Name -> its values there, (n,) or (n, k).
    """

    points: Array
    values: Mapping[str, Array] = field(default_factory=dict)


class Entry:
    """An entry that was read.

    Args:
        comm: All ranks.
        facts: Its facts, on all ranks.
        arrays: On rank 0 its points and values, empty elsewhere.
    """

    def __init__(self, comm: MPI.Intracomm, facts: dict[str, Any], arrays: Mapping[str, Array]) -> None:
        self.facts = facts
        self._comm = comm
        self._arrays = arrays

    def at(self, points: Array) -> dict[str, Array] | None:
        """The values at this rank's points (n, d), which have to be among those of the entry. Collective.

        Returns:
            By name (n,) or (n, k); None on all ranks where some rank has a point that the entry does not have.
        """
        comm, stored = self._comm, self._arrays
        shapes = {name: array.shape for name, array in stored.items()}
        shapes, extent = comm.bcast((shapes, _extent(stored["points"]) if stored else 0.0))
        found = {name: np.full((len(points), *shape[1:]), np.nan) for name, shape in shapes.items() if name != "points"}
        missing = np.ones(len(points), dtype=bool)
        tree = cKDTree(points) if len(points) else None
        for begin in range(0, shapes["points"][0], _CHUNK):
            part = comm.bcast({name: array[begin : begin + _CHUNK] for name, array in stored.items()})
            if tree is None:
                continue
            distance, place = tree.query(part["points"])
            here = distance <= _SAME * extent
            for name, values in found.items():
                values[place[here]] = part[name][here]
            missing[place[here]] = False
        return None if comm.allreduce(bool(missing.any()), MPI.LOR) else found


class Checkpoint:
    """The entries in a results folder. All methods are collective.

    Args:
        comm: All ranks.
        folder: The results folder.
        claim: Gives the path of a file of the folder, noting it as ours; called on rank 0 only.
        identity: Of the case and the program: what else has written an entry is of no use.
        warn: Takes a line for the user.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        folder: Path,
        claim: Callable[[str], Path],
        identity: str,
        warn: Callable[[str], None],
    ) -> None:
        self._comm, self._folder, self._claim = comm, folder, claim
        self._identity, self._warn = identity, warn

    def write(self, name: str, facts: Mapping[str, object], located: Located | None = None) -> None:
        """Write an entry; the one before it is kept until the next.

        Raises:
            OutputFailed: The file could not be written; earlier ones are intact.
        """
        pieces = gather_pieces(self._comm, located)

        def write() -> None:
            path, before = self._claim(_file(name)), self._claim(_file(name, earlier=True))
            words = json.dumps({"schema": _SCHEMA, "identity": self._identity, "facts": facts}, default=_plain)
            arrays = {"facts": np.frombuffer(words.encode(), dtype=np.uint8)}
            parts = [piece for piece in pieces if piece is not None]
            if parts:
                arrays["points"] = np.concatenate([part.points for part in parts])
                for key in parts[0].values:
                    arrays[f"at_{key}"] = np.concatenate([part.values[key] for part in parts])
            with atomic.replacing(path) as file:
                np.savez(file, allow_pickle=False, **arrays)
                if path.exists():
                    path.replace(before)

        on_root(self._comm, write, self._folder / _file(name))

    def read(self, name: str) -> Entry | None:
        """The last entry of a name that is whole and ours; None if there is none."""

        arrays: dict[str, Array] = {}

        def read() -> tuple[dict[str, Any] | None, list[str]]:
            said = []
            for file in (_file(name), _file(name, earlier=True)):
                path = self._folder / file
                try:
                    facts, found = _read(path, self._identity)
                except FileNotFoundError:
                    continue
                except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
                    said.append(f"{path}: damaged or of another program, so it is not used")
                    continue
                arrays.update(found)
                return facts, said
            return None, said

        facts, said = on_root(self._comm, read, self._folder / _file(name))
        for line in said:
            self._warn(line)
        return None if facts is None else Entry(self._comm, facts, arrays)

    def clear(self) -> None:
        """Remove all entries, and what was left of writing them: the run has come to its end."""

        def clear() -> None:
            for path in (self._folder / FOLDER).glob("*"):
                name = atomic.final_name(path.name)
                if name.endswith(".npz") and self._claim(f"{FOLDER}/{name}"):
                    path.unlink()
            if (self._folder / FOLDER).is_dir() and not any((self._folder / FOLDER).iterdir()):
                (self._folder / FOLDER).rmdir()

        on_root(self._comm, clear, self._folder / FOLDER)


def _file(name: str, *, earlier: bool = False) -> str:
    return f"{FOLDER}/{name}{'.before' if earlier else ''}.npz"


def _read(path: Path, identity: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Facts and arrays; reading an array compares its checksum."""
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    entry = json.loads(arrays.pop("facts").tobytes())
    if entry["schema"] != _SCHEMA or entry["identity"] != identity:
        raise ValueError("not ours")
    return entry["facts"], {name.removeprefix("at_"): array for name, array in arrays.items()}


def _extent(points: Array) -> float:
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0


def _plain(item: object) -> object:
    """What JSON does not know: numbers and arrays of numpy."""
    if isinstance(item, np.generic):
        return item.item()
    if isinstance(item, np.ndarray):
        return item.tolist()
    raise TypeError(f"{type(item).__name__} cannot be kept")
