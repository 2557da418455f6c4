"""The folder where results go: room, writing, locks, HDF5."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from fpsolver.doctor.finding import Finding, ok, problem, warning
from fpsolver.doctor.surroundings import NoAnswer, Surroundings

LITTLE_ROOM = 1e9
ELSEWHERE = "start runs in another folder, or choose one with -o DIR"
LOCKING = "HDF5_USE_FILE_LOCKING"


def disk(about: Surroundings) -> Iterator[Finding]:
    """The current folder; HDF5 elsewhere where that cannot be written."""
    where = f"{about.folder} ({_kind(about)})"
    try:
        found = about.ask("folder", str(about.folder))
    except NoAnswer as error:
        yield problem("folder", f"{where} cannot be tried: {error}", ELSEWHERE)
        return
    room = f"{found['free'] / 1e9:.1f} GB free"
    if "refused" in found:
        yield problem("folder", f"{where} cannot be written ({found['refused']}), {room}", ELSEWHERE)
        try:
            found = about.ask("folder", tempfile.gettempdir())
        except NoAnswer:
            return
    elif found["free"] < LITTLE_ROOM:
        yield warning("folder", f"{where} can be written, {room}", f"{ELSEWHERE}, or remove what is not needed")
    else:
        yield ok("folder", f"{where} can be written, {room}")
    if "lock" in found:
        yield _locks(found["lock"])
    if "hdf5" in found:
        yield _hdf5(about, found["hdf5"])


def _locks(outcome: str) -> Finding:
    if outcome == "works":
        return ok("locks", "flock works here: two runs cannot write into one folder")
    return warning("locks", f"flock does not work here ({outcome}): a killed run may leave its folder locked",
                   "none is needed; a run says which lock file to delete")  # fmt: skip


def _hdf5(about: Surroundings, failure: str) -> Finding:
    try:
        version = f"h5py {about.version('h5py')}"
    except metadata.PackageNotFoundError:
        version = "h5py"
    setting = about.environment.get(LOCKING)
    said = f"{LOCKING}={setting}" if setting else f"{LOCKING} is not set"
    if failure:
        remedy = f"export {LOCKING}=FALSE" if "lock" in failure else ELSEWHERE
        return problem("HDF5", f"{version}: a file cannot be written and read ({failure}); {said}", remedy)
    return ok("HDF5", f"{version}: a file was written and read back; {said}")


def _kind(about: Surroundings) -> str:
    """Kind of file system, such as ext4, nfs or lustre."""
    try:
        lines = (about.root / "proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown file system"
    mounts = [(Path(words[1]), words[2]) for words in (line.split() for line in lines) if len(words) > 2]
    place = about.folder.resolve()
    return max(((len(path.parts), kind) for path, kind in mounts if place.is_relative_to(path)), default=(0, "?"))[1]
