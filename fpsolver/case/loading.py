"""Loading: from a file to a :class:`Case`, or to all of its mistakes at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fpsolver.case import losses, physics, problems
from fpsolver.case.advice.choice import with_cells
from fpsolver.case.checks import Draft, check_sampled
from fpsolver.case.ledger import MOST, Enough, Ledger
from fpsolver.case.mistakes import BadCase, Mistake
from fpsolver.case.momentum import of_positions, read_momentum
from fpsolver.case.monte_carlo import drawn, read_simulation
from fpsolver.case.named_sets import named_groups, read_regions
from fpsolver.case.names import check_names, resolve_parameters
from fpsolver.case.openings import read_boundary
from fpsolver.case.outputs import check_outputs
from fpsolver.case.overrides import apply_overrides
from fpsolver.case.periodicity import check_periodic
from fpsolver.case.positions import scan
from fpsolver.case.reading import Reader
from fpsolver.case.resolved import resolve
from fpsolver.case.schedule import read_schedule, suited
from fpsolver.case.scope import Scope
from fpsolver.case.sections import Case
from fpsolver.case.source import read_toml
from fpsolver.case.space import check_numbered, coordinate_paths, read_domain, survey
from fpsolver.case.together import NOT_TOGETHER
from fpsolver.case.values import MOST_COLUMNS


def load(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Case:
    """The case in a TOML file.

    Args:
        path: The file; messages quote it as given.
        overrides: ``KEY=VALUE`` texts of the command line, such as ``parameters.d=0.05``.

    Raises:
        BadCase: With every mistake that can be seen without a mesh.
    """
    file = os.fspath(path)
    raw, text = read_toml(file)
    lines = scan(text)
    raw, overridden, mistakes = apply_overrides(raw, overrides)
    ledger = Ledger(file, lines, overridden)
    found = mistakes
    try:
        case = _read(raw, Path(file), ledger)
    except Enough:
        case = None
        advice = "write these anew; there may be more of them"
        found = [*mistakes, Mistake(file, max(lines.values(), default=1), "case", f"more than {MOST} mistakes", advice)]
    found = [*found, *ledger.mistakes]
    if found or case is None:
        raise BadCase(found or [Mistake(file, 1, "case", "the case is not complete", "write all of its sections")])
    return case


def load_all(paths: Iterable[str | os.PathLike[str]], overrides: Sequence[str] = ()) -> list[Case]:
    """Several cases; the mistakes of all of them are reported together."""
    cases: list[Case] = []
    mistakes: list[Mistake] = []
    for path in paths:
        try:
            cases.append(load(path, overrides))
        except BadCase as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise BadCase(mistakes)
    return cases


def _read(raw: dict[str, Any], path: Path, ledger: Ledger) -> Case | None:
    """Reads all sections; None where something was noted."""
    folder = Path(os.path.abspath(path)).parent
    dimension, coordinates = survey(raw, folder)
    data = raw.get("data")
    columns = data.get("columns") if isinstance(data, dict) else None
    columns = tuple(columns)[:MOST_COLUMNS] if isinstance(columns, dict) else ()
    reader = Reader(raw, Scope({}, coordinates, dimension, columns, folder), ledger)
    title = reader.top()
    parameters = resolve_parameters(reader.free("parameters"), ledger)
    region_names = list(reader.free("regions"))
    check_names(ledger, coordinate_paths(raw), parameters, columns, region_names)
    reader = Reader(raw, Scope(parameters, coordinates, dimension, columns, folder), ledger)

    domain = read_domain(reader)
    region_names += [name for name in named_groups(domain) if name not in region_names]
    inner = of_positions(reader)
    samples = physics.read_columns(reader, reader.section("data"))
    loss = losses.read_loss(inner, samples)
    drift = physics.read_drift(inner)
    noise = drawn(reader, physics.read_noise(inner, loss), samples)
    momentum = read_momentum(reader, noise)
    boundary = read_boundary(reader)
    regions = read_regions(reader, domain)
    discretization = problems.read_discretization(reader)
    evolution = problems.read_evolution(reader, region_names)
    schedule = read_schedule(reader, evolution, noise, discretization)
    evolution = suited(evolution, schedule, raw)
    stationary = problems.read_stationary(reader)
    exits = problems.read_exits(reader, region_names)
    committors = problems.read_committors(reader, region_names)
    probes = problems.read_probes(reader)
    entropy = problems.read_entropy(reader)
    splitting = problems.read_splitting(reader)
    concentration = problems.read_concentration(reader)
    simulation = read_simulation(reader, noise)
    output = problems.read_output(reader)
    run = problems.read_run(reader)

    if domain is not None and ledger.clean("parameters"):
        initial = evolution.initial if evolution is not None else None
        draft = Draft(domain, loss, samples, drift, noise, boundary, regions, initial, exits, committors, probes)
        check_sampled(draft, ledger)
        check_periodic(draft, ledger)
        check_outputs(coordinates, committors, ledger)
        check_numbered(domain, discretization.degree, raw["domain"], ledger)
    _refuse_together(raw, ledger)
    if ledger.mistakes or domain is None or noise is None:
        return None
    case = Case(
        path=path,
        title=title,
        parameters=parameters,
        domain=domain,
        loss=loss,
        data=samples,
        drift=drift,
        noise=noise,
        boundary=boundary,
        regions=regions,
        discretization=discretization,
        evolution=evolution,
        stationary=stationary,
        exits=tuple(case_exit for _, case_exit in exits),
        committors=tuple(committor for _, committor in committors),
        probes=tuple(point for _, point in probes),
        entropy=entropy,
        splitting=splitting,
        simulation=simulation,
        output=output,
        run=run,
        resolved={},
        schedule=schedule,
        momentum=momentum,
        concentration=concentration,
    )
    case = with_cells(case)
    return replace(case, resolved=resolve(raw, folder, case.domain, discretization, evolution))


def _refuse_together(raw: dict[str, Any], ledger: Ledger) -> None:
    """Notes sections that are right, but not in one case."""
    for (first, second), remedy in NOT_TOGETHER.items():
        if first in raw and second in raw and ledger.clean(second):
            ledger.add((second,), f"[{second}] with [{first}] is not available in this version", remedy)
