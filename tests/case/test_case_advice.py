"""Sizes counted, memory and time calibrated; warnings where cells or the box do not suit, naming the key to change."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_texts import CSV, GOOD, IRIS, changed

from fpsolver.case import Box, Case, advise, load, suggested_ranks, summary
from fpsolver.case.advice import factor_bytes, unknowns
from fpsolver.case.advice.size import in_bytes, in_time, memory, seconds


@pytest.mark.parametrize(
    ("cells", "diagonal", "degree", "count"),
    [
        ((7,), "right", 4, 29),
        ((144, 108), "right", 4, 249_841),
        ((3, 2), "left", 1, 12),
        ((1, 1), "crossed", 1, 5),
        ((1, 1), "crossed", 2, 13),  # 5 vertices, 8 edges
        ((1, 1), "crossed", 3, 25),  # and 4 triangles
        ((2, 1), "crossed", 2, 23),  # 8 vertices, 15 edges
        ((20, 15, 15), "right", 2, 39_401),
    ],
)
def test_unknowns(cells: tuple[int, ...], diagonal: str, degree: int, count: int) -> None:
    d = len(cells)
    box = Box((0.0,) * d, (1.0,) * d, cells, ("x", "y", "z")[:d], diagonal)  # type: ignore[arg-type]
    assert unknowns(box, degree) == count


def test_memory_is_calibrated() -> None:
    """Measured with MUMPS: see the docstring of factor_bytes."""
    assert factor_bytes(249_841, 2, symmetric=False) == pytest.approx(1.633e9, rel=0.02)
    assert factor_bytes(249_841, 2, symmetric=True) == pytest.approx(0.897e9, rel=0.02)
    assert factor_bytes(68_921, 3, symmetric=False) == pytest.approx(0.567e9, rel=0.02)


CASES = Path(__file__).parents[2] / "cases"
MEASURED = {  # case, overrides: seconds of CPU and bytes, without errors and figures
    ("interval",): (5.75, 225e6),
    ("double_well",): (6.5, 293e6),
    ("double_well", "domain.cells=[48,36]"): (9.5, 519e6),
    ("double_well", "domain.cells=[96,72]"): (26.1, 1533e6),
    ("double_well", "evolution.method=sdirk"): (17.7, 530e6),
    ("kinetic",): (17.7, 575e6),
    ("kinetic", "domain.cells=[80,80]"): (93.2, 1757e6),
    ("ornstein_uhlenbeck",): (16.4, 641e6),
    ("escape_double_well", "domain.cells=[48,36]"): (14.3, 793e6),
    ("three_dimensional",): (18.6, 776e6),
    ("three_dimensional", "domain.cells=[24,18,18]"): (74.6, 2360e6),
    ("iris_neuron",): (19.5, 473e6),
}


@pytest.mark.parametrize("name", MEASURED, ids=" ".join)
def test_time_and_memory_are_calibrated(name: tuple[str, ...]) -> None:
    """Within a factor of two of what runs took on a core of 2026."""
    case = load(CASES / f"{name[0]}.toml", [*name[1:], "run.errors=false"])
    time, size = MEASURED[name]
    assert 0.5 < seconds(case) / time < 2.0
    assert 0.5 < memory(case) / size < 2.0


def test_sizes_and_times_in_words() -> None:
    assert [in_bytes(size) for size in (3e3, 2.2e7, 1.63e9, 4.7e14)] == ["1 MB", "22 MB", "1.6 GB", "470.0 TB"]
    assert [in_time(time) for time in (5.4, 118, 150, 9000, 1e6)] == ["5 s", "100 s", "2.5 min", "2.5 h", "12 days"]


def warnings(case: Case) -> dict[str, str]:
    return {line.what: line.text for line in advise(case) if line.warning}


def texts(case: Case) -> dict[str, str]:
    return {line.what: line.text for line in advise(case)}


def test_a_resolved_case_has_no_warning(load_text) -> None:
    lines = advise(load_text(changed("[32, 24]", "[48, 36]")))
    assert [line.what for line in lines] == ["unknowns", "time", "peclet", "layer", "nats", "initial"]
    assert not any(line.warning for line in lines)


def test_summary_and_ranks(load_text) -> None:
    case = load_text(GOOD)
    assert summary(case) == "2-D box, 32 x 24 cells, degree 4, 12,513 unknowns"
    assert suggested_ranks(case, 64) == 1
    large = load_text(changed("[32, 24]", "[200, 150]"))
    assert (suggested_ranks(large, 64), suggested_ranks(large, 2)) == (8, 2)


COARSE = changed("d = 0.1", "d = 0.0001", changed("std = 0.2", "std = 0.01", changed("[32, 24]", "[8, 6]")))


def test_what_is_not_resolved_is_named(load_text) -> None:
    found = warnings(load_text(COARSE))
    assert set(found) == {"layer", "nats", "initial"}
    assert all("write domain.cells = [" in line for line in found.values())


@pytest.mark.parametrize("what", ["layer", "nats", "initial"])
def test_the_stated_number_of_cells_is_enough(load_text, what: str) -> None:
    cells = "[" + warnings(load_text(COARSE))[what].split("domain.cells = [")[1].split("]")[0] + "]"
    assert what not in warnings(load_text(changed("[8, 6]", cells, COARSE)))


def test_a_higher_degree_is_advised_where_it_takes_fewer_unknowns(load_text) -> None:
    """Degree 2 resolves 2 nats per cell, 3 and more 10: 125 times fewer cells in three dimensions."""
    text = (
        "[domain]\nlower = [-1, -1, -1]\nupper = [1, 1, 1]\ncells = [12, 12, 12]\n"
        '[loss]\nexpression = "(x**2 + y**2 + z**2)/2"\n[noise]\ndiffusion = 0.03\n'
        "[evolution]\ninitial = { point = [0, 0, 0] }\nend_time = 1\n"
    )
    advice = warnings(load_text(text))["nats"]
    assert advice.endswith(" and discretization.degree = 3")
    cells = "[" + advice.split("domain.cells = [")[1].split("]")[0] + "]"
    assert int(cells.split(",")[0][1:]) < 20
    assert "nats" not in warnings(load_text(text, ["discretization.degree=3", f"domain.cells={cells}"]))


def test_what_is_solved_on_refined_meshes_needs_no_change(load_text) -> None:
    """Exits and stationary states refine their meshes; an evolution does not."""
    coarse = changed("[32, 24]", "[12, 10]", GOOD[: GOOD.index("[evolution]")]).replace("d = 0.1", "d = 0.03")
    exit_only = load_text(coarse + '[[exit]]\nregion = "left"\nstart = [[-1, 0]]\n')
    assert warnings(exit_only) == {}
    assert "the run refines its mesh to about" in texts(exit_only)["nats"]
    assert "exit from left: up to" in texts(exit_only)["exit"]
    assert "which the run refines to 2" in texts(exit_only)["exit"]
    evolution = load_text(coarse + GOOD[GOOD.index("[evolution]") :])
    assert "nats" in warnings(evolution)


def test_refinement_that_stops_short_is_told(load_text) -> None:
    coarse = changed("[32, 24]", "[12, 10]", GOOD[: GOOD.index("[evolution]")]).replace("d = 0.1", "d = 0.0002")
    assert "refines its mesh, but to" in warnings(load_text(coarse + "[stationary]\n"))["nats"]


def test_the_limits_are_those_of_the_meshes() -> None:
    """What is advised of and what runs do."""
    from fpsolver.case.advice import resolution
    from fpsolver.runtime import start_mpi

    start_mpi()
    from fpsolver.domain import grading
    from fpsolver.generator import boundary

    assert resolution.NATS == boundary.NATS
    assert resolution.GROWTH == grading.GROWTH
    assert resolution.ALWAYS == grading.ALWAYS


def test_peclet_number_of_a_linear_drift(load_text) -> None:
    """|a| h/(2 d) is largest at the end of the interval: 2*0.4/(2*0.5)."""
    text = '[domain]\nlower=[-2]\nupper=[2]\ncells=[10]\n[drift]\nextra=["-x"]\n[noise]\ndiffusion=0.5\n[evolution]\n'
    line = texts(load_text(f"{text}initial={{point=[0]}}\nend_time=1\n"))["peclet"]
    assert float(line.split("largest ")[1]) == pytest.approx(0.8, rel=0.01)


def test_data_and_singular_noise_have_advice_too(load_text, tmp_path) -> None:
    (tmp_path / "iris.csv").write_text(CSV)
    assert "about" in str(advise(load_text(IRIS))[0])
    flat = advise(load_text(changed('diffusion = "d"', "diffusion = 0")))
    assert any("D is 0" in str(line) for line in flat)


def test_absurd_numbers_of_frames_and_cells(load_text, mistakes) -> None:
    text = changed("end_time = 10.0", "end_time = 10.0\nframes = 100000", changed("[32, 24]", "[200, 150]"))
    assert "of files; write fewer evolution.frames" in warnings(load_text(text))["frames"]
    found = mistakes(changed("[32, 24]", "[1000000, 1000000]"))
    assert len(found) == 1
    assert "domain.cells: 1.6e+13 unknowns of degree 4, 128,000 GB for each density alone; write fewer" in found[0]
    large = warnings(load_text(changed("[32, 24]", "[4000, 3000]")))
    assert "B for multigrid): write fewer or larger cells" in large["unknowns"]
    assert "on one core: write fewer" in large["time"]


def test_a_case_that_asks_for_nothing_is_told_so(load_text) -> None:
    text = GOOD[: GOOD.index("[evolution]")]
    assert "asks for nothing" in str(advise(load_text(text))[-1])
