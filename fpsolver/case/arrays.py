"""Named arrays of a ``.npz`` or HDF5 file, as numbers. Nothing in such a file is run: pickles are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path as Place
from fpsolver.case.suggest import listed

MAX_BYTES = 2_000_000_000
HDF5 = (".h5", ".hdf5")
SUFFIXES = (".npz", *HDF5)

Array = NDArray[np.float64]


def read_arrays(file: Path, names: Sequence[str], here: Place, ledger: Ledger) -> dict[str, Array] | None:
    """Those of the named arrays that a file has, as float64.

    Args:
        file: Its suffix tells the format.
        names: Of the arrays; those that are not there are left out.
        here: Place of mistakes.
        ledger: Receives what is wrong.

    Returns:
        None where the file cannot be read or an array is not one of numbers.
    """
    if file.suffix not in SUFFIXES:
        ledger.add(here, f"{file.name} is not one of {listed(SUFFIXES)}", "save arrays with numpy.savez")
        return None
    if file.stat().st_size > MAX_BYTES:
        ledger.add(here, f"{file.name} is larger than {MAX_BYTES} bytes", "write a smaller file")
        return None
    try:
        found = _hdf5(file, names) if file.suffix in HDF5 else _npz(file, names)
    except ModuleNotFoundError:
        ledger.add(here, f"{file.name} needs h5py, which is not installed", "install h5py, or save a .npz file")
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        ledger.add(here, f"{file.name} cannot be read ({error})", "save plain arrays of numbers with numpy.savez")
        return None
    wrong = [name for name, array in found.items() if not _numbers(array)]
    for name in wrong:
        ledger.add(here, f"{file.name}: {name} is not an array of real numbers", "save floating-point numbers")
    return None if wrong else {name: np.asarray(array, dtype=np.float64) for name, array in found.items()}


def array_names(file: Path) -> list[str]:
    """The names of all arrays in a file that `read_arrays` can read."""
    if file.suffix in HDF5:
        import h5py

        with h5py.File(file, "r") as opened:
            return [name for name, entry in opened.items() if isinstance(entry, h5py.Dataset)]
    with np.load(file, allow_pickle=False) as opened:
        return list(opened.files)


def _npz(file: Path, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as opened:
        return {name: opened[name] for name in names if name in opened.files}


def _hdf5(file: Path, names: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    import h5py  # only where a case names such a file

    with h5py.File(file, "r") as opened:
        return {name: np.asarray(opened[name][()]) for name in names if isinstance(opened.get(name), h5py.Dataset)}


def _numbers(array: NDArray[np.generic]) -> bool:
    return array.dtype.kind in "fiub" and array.dtype.itemsize <= 8
