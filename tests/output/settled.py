"""Results folders of stationary states and exits made by hand: a double well whose stationary density is turned by a
current, and exit times of the same well, which are exact as the loss is a sum over coordinates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import example
import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.output.frames import FORMATS
from fpsolver.output.results import write_results
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

D = 0.05
NOISE = {1: f"diffusion = {D}", 2: 'diffusion = "d"', 3: 'diffusion = "d"'}
TRAP = "infinite: the noise vanishes at the minimum, and the start ends there with probability 0.2"


def exit_time(points: Array, end: float) -> Array:
    """Mean time from x to ``end`` with a wall at -2: (1/D) int_x^end e^(V/D) int_-2^y e^(-V/D)."""
    x = np.linspace(-2.0, end, 4001)
    well = (x**2 - 1) ** 2 / 4 / D
    step = x[1] - x[0]
    mass = np.concatenate([[0.0], np.cumsum((np.exp(-well[1:]) + np.exp(-well[:-1])) / 2)]) * step
    slope = np.exp(well) * mass / D
    time = np.concatenate([np.cumsum(((slope[1:] + slope[:-1]) / 2)[::-1])[::-1], [0.0]]) * step
    return np.where(points[:, 0] < end, np.interp(points[:, 0], x, time), 0.0)


def fields_of(points: Array, dimension: int) -> dict[str, Array]:
    """The static fields of a run, of which one exit never happens from x > 1."""
    above = example.loss(points) / D
    density = np.exp(-above)
    fields = {
        "loss": example.loss(points),
        "diffusion_trace": np.full(len(points), D * dimension),
        "stationary_density": density,
        "effective_potential": above,
        "eigenfunction_1": np.tanh(4 * points[:, 0]),
        "exit_time_left": exit_time(points, 0.0),
        "exit_time_most": exit_time(points, 0.8),
    }
    if dimension == 2:
        radius = (points[:, 0] + 0.5) ** 2 + points[:, 1] ** 2
        fields["exit_time_disc"] = np.where(points[:, 0] < -1.2, np.nan, np.maximum(0.8 - radius, 0.0) / (4 * D))
        slope = np.column_stack([points[:, 0] ** 3 - points[:, 0], 4 * points[:, 1]])
        fields["current"] = 0.1 * density[:, None] * np.column_stack([slope[:, 1], -slope[:, 0]])
    return fields


def stationary_section(dimension: int) -> dict[str, object]:
    """As ``results.json`` has it."""
    rates = [3.2e-3, 0.94, 1.31]
    eigenvalues: list[object] = [Quantity(0.0, 1e-14), *(Quantity(rate, 1e-3 * rate) for rate in rates)]
    if dimension == 2:
        turning = [{"value": 1.31, "error": 1e-2, "imag": imag} for imag in (-0.7, 0.7)]
        eigenvalues = [Quantity(0.0, 1e-14), Quantity(3.2e-3, 1e-5), Quantity(0.94, 1e-2), *turning]
    places = [[side] + [0.0] * (dimension - 1) for side in (-1.0, 1.0)]
    return {
        "states": 1,
        "classes": [{"kind": "density", "support": "the whole domain", "regions": {"left": Quantity(1.0, 1e-12)}}],
        "detailed_balance": dimension != 2,
        "regions": {"left": Quantity(0.5, 1e-9)},
        "mean": [Quantity(0.0, 1e-9)] * dimension,
        "covariance": [[Quantity(1.0, 1e-9)] * dimension] * dimension,
        "eigenvalues": eigenvalues,
        "spectral_gap": Quantity(3.2e-3, 1e-5),
        "current": Quantity(0.04 if dimension == 2 else 0.0, 1e-6),
        "modes": [
            {"point": [place[0] * 0.9, *place[1:]], "height": 0.0, "minimum": place, "distance": 0.1}
            for place in places
        ],
        "metastable": {
            "sets": [{"point": place, "mass": Quantity(0.5, 1e-9)} for place in places],
            "rates": [[Quantity(-1.6e-3, 1e-5), Quantity(1.6e-3, 1e-5)], [Quantity(2e-3, 1e-5), Quantity(-2e-3, 1e-5)]],
        },
    }


def exit_sections(dimension: int) -> list[dict[str, object]]:
    """As ``results.json`` has them; the last one is never finished from its second start."""
    starts = [[-1.0] + [0.0] * (dimension - 1), [-0.3] + [0.2] * (dimension - 1)]
    sections = []
    for region, end in (("left", 0.0), ("most", 0.8)):
        times = exit_time(np.array(starts), end)
        answers = [
            {
                "point": start,
                "mean": Quantity(time, 1e-6 * time),
                "log10_mean": Quantity(np.log10(time), 1e-6),
                "moments": [Quantity(time, 1e-6 * time), Quantity(2 * time**2, 1e-5)],
                "iterations": None,
            }
            for start, time in zip(starts, times, strict=True)
        ]
        sections.append({"region": region, "unknowns": 4321, "escape_rate": Quantity(1e-3, 1e-9), "starts": answers})
    if dimension == 2:
        never = Quantity(None, None, TRAP, infinite=True)
        answers = [{"point": [-0.5, 0.0], "mean": Quantity(4.0, 1e-6)}, {"point": [-1.3, 0.0], "mean": never}]
        sections.append({"region": "disc", "unknowns": 999, "escape_rate": Quantity(0.1, 1e-9), "starts": answers})
    return sections


def convergence() -> dict[str, object]:
    """As the verb ``converge`` writes it: four quantities, one of them not asymptotic, one 0 by symmetry."""
    levels = [{"unknowns": n, "cells": [n, n], "degree": 4} for n in (400, 1600, 6400)]
    orders = {
        "exit.0.starts.0.mean": 8.0,
        "stationary.spectral_gap": 6.0,
        "stationary.regions.left": 7.5,
        "evolution": 1.0,
    }
    quantities = []
    for name, order in orders.items():
        values = [1.0 + 0.1 * 2 ** (-order * level) for level in range(3)]
        quantities.append(
            {
                "name": name,
                "values": values,
                "differences": np.diff(values).tolist(),
                "order": order,
                "expected_order": 8,
                "extrapolated": 1.0,
                "uncertainty": abs(values[-1] - 1.0),
                "asymptotic": order > 2,
                "note": None if order > 2 else "the order is far from the expected one",
            }
        )
    quantities.append(
        {"name": "zero", "values": [0.0, 0.0, 0.0], "differences": [0.0, 0.0], "order": None, "uncertainty": 0.0}
    )
    return {"by": "h", "levels": levels, "quantities": quantities}


def write_case(folder: Path, dimension: int) -> None:
    """A case with the exits of the results."""
    lower, upper = example.LOWER[:dimension].tolist(), example.UPPER[:dimension].tolist()
    names = ", ".join(f'"{name}"' for name in example.COORDINATES[dimension])
    first = example.COORDINATES[dimension][0]
    starts = [[-1.0] + [0.0] * (dimension - 1), [-0.3] + [0.2] * (dimension - 1)]
    text = (
        f'title = "Two wells, {dimension}-D"\n[parameters]\nd = {D}\nedge = "16*d"\n[domain]\nlower = {lower}\n'
        f"upper = {upper}\ncoordinates = [{names}]\n[noise]\n{NOISE[dimension]}\n"
        f'[regions]\nleft = "{first} < 0"\nmost = "{first} < edge"\n'
    )
    if dimension == 2:
        text += f'disc = "({first} + 0.5)**2 + intercept**2 < 0.8"\n[boundary]\nabsorbing = "{first} > 1.99"\n'
    text += "".join(f'[[exit]]\nregion = "{region}"\nstart = {starts}\n' for region in ("left", "most"))
    if dimension == 2:
        text += '[[exit]]\nregion = "disc"\nstart = [[-0.5, 0.0], [-1.3, 0.0]]\n'
    (folder / "case.toml").write_text(text)


def write_settled(folder: Path, dimension: int, changes: Mapping[str, object] = {}, form: str = "vtkhdf") -> Path:
    """A finished results folder without an evolution; ``changes`` replace entries of the stationary section."""
    folder.mkdir(parents=True, exist_ok=True)
    write_case(folder, dimension)
    lattice, chosen = example.box(dimension), FORMATS[form]
    path = folder / f"fields{chosen.suffix}"
    chosen.fields(MPI.COMM_SELF, path, lattice, fields_of(lattice.points, dimension))
    stationary = stationary_section(dimension) | dict(changes)
    results = {"schema": 1, "title": "Two wells", "status": "completed", "stationary": stationary}
    write_results(folder, results | {"exit": exit_sections(dimension)})
    (folder / "convergence.json").write_text(json.dumps(convergence()))
    return folder
