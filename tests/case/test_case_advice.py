"""Sizes counted, memory calibrated, and warnings where cells are too coarse, naming the key to change."""

from __future__ import annotations

import pytest
from case_texts import CSV, GOOD, IRIS, changed

from fpsolver.case import Box, advise, suggested_ranks, summary
from fpsolver.case.advice import factor_bytes, unknowns


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


def test_a_resolved_case_has_no_warning(load_text) -> None:
    lines = advise(load_text(changed("[32, 24]", "[48, 36]")))
    assert [line.what for line in lines] == ["unknowns", "peclet", "layer", "nats", "initial"]
    assert not any(line.warning for line in lines)


def test_summary_and_ranks(load_text) -> None:
    case = load_text(GOOD)
    assert summary(case) == "2-D box, 32 x 24 cells, degree 4, 12,513 unknowns"
    assert suggested_ranks(case, 64) == 1
    large = load_text(changed("[32, 24]", "[200, 150]"))
    assert (suggested_ranks(large, 64), suggested_ranks(large, 2)) == (8, 2)


def test_what_is_not_resolved_is_named(load_text) -> None:
    text = changed("d = 0.1", "d = 0.0001", changed("std = 0.2", "std = 0.01", changed("[32, 24]", "[8, 6]")))
    warnings = {line.what: str(line) for line in advise(load_text(text)) if line.warning}
    assert set(warnings) == {"layer", "nats", "initial"}
    assert all("write domain.cells = [" in line for line in warnings.values())


def test_the_stated_number_of_cells_is_enough(load_text) -> None:
    text = changed("std = 0.2", "std = 0.01")
    advice = next(str(line) for line in advise(load_text(text)) if line.what == "initial")
    cells = advice.split("domain.cells = ")[1]
    again = advise(load_text(changed("[32, 24]", cells, text)))
    assert not any(line.warning for line in again if line.what == "initial")


def test_peclet_number_of_a_linear_drift(load_text) -> None:
    """|a| h/(2 d) is largest at the end of the interval: 2*0.4/(2*0.5)."""
    text = '[domain]\nlower=[-2]\nupper=[2]\ncells=[10]\n[drift]\nextra=["-x"]\n[noise]\ndiffusion=0.5\n[evolution]\n'
    line = next(
        str(line) for line in advise(load_text(f"{text}initial={{point=[0]}}\nend_time=1\n")) if line.what == "peclet"
    )
    assert float(line.split("largest ")[1]) == pytest.approx(0.8, rel=0.01)


def test_data_and_singular_noise_have_advice_too(load_text, tmp_path) -> None:
    (tmp_path / "iris.csv").write_text(CSV)
    assert "about" in str(advise(load_text(IRIS))[0])
    flat = advise(load_text(changed('diffusion = "d"', "diffusion = 0")))
    assert any("D is 0" in str(line) for line in flat)


def test_a_case_that_asks_for_nothing_is_told_so(load_text) -> None:
    text = GOOD[: GOOD.index("[evolution]")]
    assert "asks for nothing" in str(advise(load_text(text))[-1])
