"""``[regions]``: named open sets, by a condition or as a group of cells of a mesh file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpsolver.case.expressions import field_expression
from fpsolver.case.group_level import level_of_group
from fpsolver.case.names import is_name
from fpsolver.case.reading import Reader
from fpsolver.case.schema import Key, Kind
from fpsolver.case.sections import Domain, MeshFile, Region
from fpsolver.case.suggest import instead
from fpsolver.case.values import Converter
from fpsolver.case.wording import shown


def read_regions(reader: Reader, domain: Domain | None) -> dict[str, Region]:
    """All regions that are right: those of ``[regions]``, then the groups of cells that a mesh file names."""
    key = Key("regions", "", Kind.CONDITION, "named open set")
    regions: dict[str, Region] = {}
    given = reader.free("regions")
    for name, source in given.items():
        path = ("regions", name)
        if isinstance(source, dict):
            group = _group(reader, name, source, domain)
            if group is not None and isinstance(domain, MeshFile):
                regions[name] = _of_group(domain, name, group)
            continue
        if not isinstance(source, str):
            reader.ledger.add(path, f"{shown(source)} is not a condition in quotes", f'write {name} = "x < 0"')
            continue
        found = Converter(key, reader.ledger, reader.scope).condition(source, path)
        if found is not None:
            regions[name] = Region(name, found, source)
    if isinstance(domain, MeshFile):
        regions |= {name: _of_group(domain, name, name) for name in named_groups(domain) if name not in given}
    return regions


def named_groups(domain: Domain | None) -> list[str]:
    """Groups of cells that are regions as they are: some cells of a mesh file, under a name that a region can have."""
    if not isinstance(domain, MeshFile):
        return []
    groups = domain.data.cell_groups
    return [name for name, cells in groups.items() if is_name(name, domain.coordinates) and not cells.all()]


def _group(reader: Reader, name: str, table: Mapping[str, Any], domain: Domain | None) -> str | None:
    """The group that a table names, None where that is wrong."""
    path = ("regions", name)
    group = table.get("group")
    if set(table) != {"group"} or not isinstance(group, str):
        reader.ledger.add(path, f"{shown(table)} is no region", f'write {name} = "x < 0", or {{ group = "a name" }}')
    elif domain is not None and not isinstance(domain, MeshFile):
        reader.ledger.add(path, "only a mesh file has named groups", f'write {name} = "x < 0"')
    elif domain is not None and group not in domain.data.cell_groups:
        known = list(domain.data.cell_groups)
        advice = instead(group, known, "a group of cells:") if known else f'write {name} = "x < 0"'
        reader.ledger.add((*path, "group"), f"the mesh has no group of cells {shown(group)}", advice)
    else:
        return group
    return None


def _of_group(domain: MeshFile, name: str, group: str) -> Region:
    source = f"group {group} of {domain.file.name}"
    return Region(name, field_expression(level_of_group(domain.data, group), domain.coordinates, source), source)
