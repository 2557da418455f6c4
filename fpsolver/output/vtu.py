"""One piece of a mesh with point fields as VTU: an XML head and raw binary arrays, which any ParaView >= 5.0 opens."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from fpsolver.output.pieces import CELL_TYPES, Piece
from fpsolver.runtime import atomic
from fpsolver.runtime.folder import matches

Array = npt.NDArray[np.float64]

_NAMES = {"f8": "Float64", "i8": "Int64", "u1": "UInt8"}
_TYPES = {name: np.dtype(f"<{code}") for code, name in _NAMES.items()}
_HEAD = 'version="1.0" byte_order="LittleEndian" header_type="UInt64"'
_FRAMES, _FRAME, _PIECE = "_frames", "######.pvtu", "######_p#.vtu"
_DATA = b'<AppendedData encoding="raw">\n_'


def write_piece(path: Path, piece: Piece, fields: Mapping[str, Array]) -> None:
    """Write a ``.vtu`` atomically.

    Args:
        path: Final name.
        piece: The mesh.
        fields: Name -> values, (points,) or, of vectors, (points, 3).

    Raises:
        OSError: The disk refuses.
    """
    blobs: list[bytes] = []
    begin = 0

    def array(name: str, values: npt.NDArray[np.generic], components: int = 1) -> str:
        nonlocal begin
        raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        blobs.append(np.array(len(raw), "<u8").tobytes() + raw)
        offset, begin = begin, begin + len(blobs[-1])
        return (
            f"<DataArray type={quoteattr(_NAMES[values.dtype.str[1:]])} Name={quoteattr(name)} "
            f'NumberOfComponents="{components}" format="appended" offset="{offset}"/>\n'
        )

    cells, corners = piece.cells.shape
    lines = [
        f'<?xml version="1.0"?>\n<VTKFile type="UnstructuredGrid" {_HEAD}>\n<UnstructuredGrid>\n',
        f'<Piece NumberOfPoints="{len(piece.points)}" NumberOfCells="{cells}">\n<PointData>\n',
        *(array(name, np.asarray(values, np.float64), components(values)) for name, values in fields.items()),
        "</PointData>\n<Points>\n",
        array("Points", piece.points, 3),
        "</Points>\n<Cells>\n",
        array("connectivity", piece.cells.ravel()),
        array("offsets", corners * np.arange(1, cells + 1, dtype=np.int64)),
        array("types", np.full(cells, CELL_TYPES[piece.dimension], np.uint8)),
        "</Cells>\n</Piece>\n</UnstructuredGrid>\n",
    ]
    with atomic.replacing(path) as file:
        file.write("".join(lines).encode() + _DATA)
        for blob in blobs:
            file.write(blob)
        file.write(b"\n</AppendedData>\n</VTKFile>\n")


def read_piece(path: Path) -> tuple[Piece, dict[str, Array]]:
    """Read a ``.vtu`` that ``write_piece`` wrote; raises ValueError for another kind of file."""
    content = path.read_bytes()
    head, mark, data = content.partition(_DATA)
    if not mark:
        raise ValueError(f"{path}: not a VTU file of this program; read it with ParaView or pyvista instead")
    found = ET.fromstring(head + b"</VTKFile>").find("UnstructuredGrid/Piece")
    assert found is not None  # the mark is ours, so the head is

    def array(section: str, name: str) -> npt.NDArray[np.generic]:
        for entry in found.findall(f"{section}/DataArray"):
            if entry.get("Name") == name:
                begin = int(entry.attrib["offset"])
                size = int(np.frombuffer(data, "<u8", 1, begin)[0])
                return np.frombuffer(data[begin + 8 : begin + 8 + size], _TYPES[entry.attrib["type"]])
        raise ValueError(f"{path}: no array {name}")

    corners = {cell_type: dimension + 1 for dimension, cell_type in CELL_TYPES.items()}[int(array("Cells", "types")[0])]
    shapes = {
        entry.attrib["Name"]: (-1,) if (width := int(entry.attrib["NumberOfComponents"])) == 1 else (-1, width)
        for entry in found.findall("PointData/DataArray")
    }
    piece = Piece(
        array("Points", "Points").astype(np.float64).reshape(-1, 3),
        array("Cells", "connectivity").astype(np.int64).reshape(-1, corners),
    )
    return piece, {name: array("PointData", name).astype(np.float64).reshape(shape) for name, shape in shapes.items()}


def components(values: Array) -> int:
    """Numbers per point of a field."""
    return 1 if np.ndim(values) == 1 else int(np.shape(values)[1])


def write_parallel(path: Path, fields: Mapping[str, int], pieces: Sequence[str]) -> None:
    """Write the ``.pvtu`` that joins pieces, atomically.

    Args:
        path: Final name.
        fields: Name -> numbers per point, in the order of the pieces.
        pieces: File names relative to ``path``.

    Raises:
        OSError: The disk refuses.
    """
    arrays = "".join(
        f'<PDataArray type="Float64" Name={quoteattr(name)} NumberOfComponents="{count}"/>\n'
        for name, count in fields.items()
    )
    sources = "".join(f"<Piece Source={quoteattr(piece)}/>\n" for piece in pieces)
    atomic.write_text(
        path,
        f'<?xml version="1.0"?>\n<VTKFile type="PUnstructuredGrid" {_HEAD}>\n<PUnstructuredGrid GhostLevel="0">\n'
        f"<PPointData>\n{arrays}</PPointData>\n<PPoints>\n"
        '<PDataArray type="Float64" Name="Points" NumberOfComponents="3"/>\n</PPoints>\n'
        f"{sources}</PUnstructuredGrid>\n</VTKFile>\n",
    )


def read_parallel(path: Path) -> list[Path]:
    """The pieces that a ``.pvtu`` joins."""
    return [path.parent / entry.attrib["Source"] for entry in ET.parse(path).iter("Piece")]


def write_collection(path: Path, frames: Sequence[tuple[float, str]]) -> None:
    """Write the ``.pvd`` that lists frames: time and file name relative to it. Atomic."""
    entries = "".join(
        f'<DataSet timestep="{time!r}" group="" part="0" file={quoteattr(file)}/>\n' for time, file in frames
    )
    text = f'<?xml version="1.0"?>\n<VTKFile type="Collection" version="1.0">\n<Collection>\n{entries}'
    atomic.write_text(path, text + "</Collection>\n</VTKFile>\n")


def read_collection(path: Path) -> list[tuple[float, str]]:
    """The frames that a ``.pvd`` lists."""
    return [(float(entry.attrib["timestep"]), entry.attrib["file"]) for entry in ET.parse(path).iter("DataSet")]


def frame_templates(name: str) -> tuple[str, str]:
    """Names of the frames of the series ``name`` and of the ranks' pieces of them, for `RunFolder.path`."""
    return f"{name}{_FRAMES}/{_FRAME}", f"{name}{_FRAMES}/{_PIECE}"


def frames_folder(path: Path) -> Path:
    """Where the frames of a ``.pvd`` are."""
    return path.with_name(path.stem + _FRAMES)


def frame_number(file: str) -> int:
    """The number in a frame's file name, ``density_frames/000012.pvtu`` -> 12."""
    found = re.search(r"(\d+)\.pvtu$", file)
    return int(found[1]) if found else -1


def is_frame_file(file: str) -> bool:
    """Whether a name is that of a frame or of one rank's piece of it."""
    return matches(_FRAME, file) or matches(_PIECE, file)
