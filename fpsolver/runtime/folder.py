"""The results folder: which files are ours, and how far the run in it has come.

A marker file lists all that we wrote, before it is written. A folder that has contents but no marker
belongs to somebody else and is never touched; in our own, only listed files are ever removed or replaced:
the files themselves, their growing parts and the temporaries of a write that was killed (see `atomic`).

Files of a long series are listed by a template instead of one by one; n times ``#`` in it stand for a number
of at least n digits. ``density_frames/######_p#.vtu`` means ``density_frames/000012_p3.vtu`` and the like.

Rank 0 alone touches the disk: wrap calls in `ranks.on_root`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Literal, Self

from fpsolver.errors import BadUsage
from fpsolver.runtime import atomic, lock
from fpsolver.runtime.lock import FolderLock

MARKER = ".fpsolver"
_SCHEMA = 1

type Status = Literal["empty", "unfinished", "finished"]


class RunFolder:
    """A results folder that this process has locked; use `open`, and as a context manager.

    Attributes:
        root: The folder.
    """

    def __init__(self, root: Path, folder_lock: FolderLock) -> None:
        self.root = root
        self._lock = folder_lock
        self._identity: str | None = None
        self._finished = False
        self._files: set[str] = set()
        self._templates: set[str] = set()
        self._read_marker()

    @classmethod
    def open(cls, path: Path, *, fresh: bool = False) -> Self:
        """Make the folder if need be, lock it and read what earlier runs left in it.

        Args:
            path: The folder; it may be missing, empty, or ours.
            fresh: Remove the files that earlier runs wrote there.

        Raises:
            BadUsage: The folder is somebody else's, in use, or cannot be written.
        """
        try:
            check_owner(path)
            path.mkdir(parents=True, exist_ok=True)
            folder_lock = FolderLock(path)
        except OSError as error:
            raise BadUsage(_cannot_write(path, error)) from None
        try:
            folder = cls(path, folder_lock)
            if fresh:
                folder.clear()
        except OSError as error:
            folder_lock.release()
            raise BadUsage(_cannot_write(path, error)) from None
        except BaseException:
            folder_lock.release()
            raise
        return folder

    @property
    def status(self) -> Status:
        """``empty`` before `begin`, ``unfinished`` after it, ``finished`` after `finish`."""
        if self._identity is None:
            return "empty"
        return "finished" if self._finished else "unfinished"

    @property
    def identity(self) -> str | None:
        """The identity (a hash of the resolved case) that `begin` or `finish` recorded; None if empty."""
        return self._identity

    def begin(self, identity: str) -> None:
        """Record that a run of the case ``identity`` works here; the status becomes ``unfinished``."""
        self._identity, self._finished = identity, False
        self._write_marker()

    def finish(self, identity: str) -> None:
        """Record that the run of the case ``identity`` is complete."""
        self._identity, self._finished = identity, True
        self._write_marker()

    def path(self, name: str, templates: Sequence[str] = ()) -> Path:
        """The path of our file ``name`` (``checkpoint/step.h5`` is possible), noted as ours before it is written.

        Args:
            name: Of the file, relative to the folder.
            templates: Of numbered files that will be written beside it, noted too.

        Raises:
            BadUsage: A file of such a name is there and is not ours.
        """
        return self.paths([name], templates)[0]

    def paths(self, names: Iterable[str], templates: Sequence[str] = ()) -> list[Path]:
        """`path` for many files at once, with one write of the marker."""
        chosen = [_checked(name) for name in names]
        new_files = {name for name in chosen if name not in self._files}
        new_templates = {_checked(template) for template in templates} - self._templates
        for target in self._present(new_files, new_templates):
            raise BadUsage(
                f"{target} is there already and was not written by fpsolver; "
                f"move it away, or choose another folder with -o DIR"
            )
        if new_files or new_templates:
            self._files |= new_files
            self._templates |= new_templates
            self._write_marker()
        for name in chosen:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        return [self.root / name for name in chosen]

    def files(self) -> list[str]:
        """Names of the files noted as ours, sorted; some may not be written yet."""
        return sorted(self._files)

    def clear(self) -> None:
        """Remove the files we wrote, and folders that are empty thereafter; the status becomes ``empty``."""
        ours = self._files | self._templates
        for target in self._present(self._files | {MARKER}, self._templates):
            inside = target.parent.resolve().is_relative_to(self.root.resolve())  # no link to somewhere else
            if inside and target != self.root / MARKER:
                with suppress(FileNotFoundError, IsADirectoryError):
                    target.unlink()
        for name in sorted({str(parent) for each in ours for parent in PurePosixPath(each).parents}, reverse=True):
            if name != ".":
                with suppress(OSError):  # not empty: it holds somebody else's files
                    (self.root / name).rmdir()
        self._files, self._templates, self._identity, self._finished = set(), set(), None, False
        self._write_marker()

    def release(self) -> None:
        """Let other runs use the folder."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _present(self, files: set[str], templates: set[str]) -> list[Path]:
        """What is there of these files, their parts and their temporaries, in the order of their names."""
        found = []
        for folder in sorted({PurePosixPath(name).parent for name in files | templates}):
            place = self.root / folder
            for entry in sorted(os.listdir(place)) if place.is_dir() else ():
                name = str(folder / atomic.final_name(entry))
                if name in files or any(matches(template, name) for template in templates):
                    found.append(place / entry)
        return found

    def _read_marker(self) -> None:
        marker = self.root / MARKER
        try:
            entry = json.loads(marker.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._write_marker()
            return
        except ValueError:
            raise BadUsage(_cannot_read(marker)) from None
        try:
            if entry["schema"] != _SCHEMA:
                raise BadUsage(
                    f"{self.root} was written by another version of fpsolver (folder schema {entry['schema']}, "
                    f"this is {_SCHEMA}); choose another folder with -o DIR"
                )
            self._identity = None if entry["identity"] is None else str(entry["identity"])
            self._finished = bool(entry["finished"])
            self._files = {_checked(str(name)) for name in entry["files"]}
            self._templates = {_checked(str(name)) for name in entry.get("templates", ())}
        except (KeyError, TypeError, ValueError):
            raise BadUsage(_cannot_read(marker)) from None

    def _write_marker(self) -> None:
        entry = {
            "schema": _SCHEMA,
            "note": "written by fpsolver; only the files listed here are ever removed by it",
            "identity": self._identity,
            "finished": self._finished,
            "files": self.files(),
            "templates": sorted(self._templates),
        }
        atomic.write_text(self.root / MARKER, json.dumps(entry, indent=1) + "\n")


def matches(template: str, name: str) -> bool:
    """Whether a name is one of those that a template stands for."""
    pieces = re.split("(#+)", template)  # every other one is a run of #
    pattern = "".join(rf"\d{{{len(piece)},}}" if piece.startswith("#") else re.escape(piece) for piece in pieces)
    return re.fullmatch(pattern, name, re.ASCII) is not None


def _checked(name: str) -> str:
    """A name inside the folder, in one spelling; the marker is a file, and files can be edited."""
    pure = PurePosixPath(name)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or pure.parts[0] in (MARKER, lock.NAME):
        raise ValueError(f"{name!r} is not the name of a file inside a results folder")
    return str(pure)


def check_owner(path: Path) -> None:
    """See that a results folder is missing, empty or ours; touches nothing.

    Raises:
        BadUsage: It is somebody else's, or a file.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise BadUsage(f"{path} is a file, not a folder; choose another folder with -o DIR")
    # Left alone by a run that was killed between locking the folder and marking it.
    contents = {entry.name for entry in path.iterdir()}
    others = {name for name in contents if name != lock.NAME and atomic.final_name(name) != MARKER}
    if MARKER not in contents and others:
        raise BadUsage(
            f"{path} holds files that fpsolver did not write (such as {min(others)}), so it is left "
            f"alone; choose another folder with -o DIR, or an empty one"
        )


def _cannot_write(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({error.strerror or error}); choose another folder with -o DIR"


def _cannot_read(marker: Path) -> str:
    return f"{marker} cannot be understood, so nothing here is touched; choose another folder with -o DIR"
