"""Advice on the box, and the cells of a case that names none."""

from __future__ import annotations

import math
import tomllib

import numpy as np
import pytest
from case_texts import CSV, GOOD, IRIS, changed

from fpsolver.case import Box, advise, dump
from fpsolver.case.advice.choice import BUDGET, FEWEST


def well(lower: float, upper: float, d: float = 0.1, loss: str = "x**2/2", more: str = "") -> str:
    return (
        f"[domain]\nlower = [{lower}]\nupper = [{upper}]\ncells = [100]\n"
        f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = {d}\n[stationary]\n{more}'
    )


def about_box(case) -> str:
    return "; ".join(str(line) for line in advise(case) if line.what in ("walls", "box"))


@pytest.mark.parametrize("end", [0.8, 1.2, 1.5])
def test_the_share_behind_a_wall_is_the_tail_of_the_gaussian(load_text, end: float) -> None:
    """rho(b) d/b, which is the tail up to d/b^2."""
    text = about_box(load_text(well(-3.0, end)))
    spread = math.sqrt(0.2)
    exact = math.exp(-(end**2) / 0.2) * 0.1 / end / (math.sqrt(math.pi) * spread / 2 * (1 + math.erf(end / spread)))
    said = text.split("x = ")[1].split("(about ")[1].split(" of the mass")[0]
    number = float(said.removesuffix(" %")) / 100 if said.endswith("%") else float(said)
    assert number == pytest.approx(exact, rel=0.1)
    assert text.startswith("warning: ") == (exact > 1e-3)
    assert f"x = {end:g}" in text
    assert "x = -3" not in text


def test_the_suggested_box_is_one_that_nothing_is_said_of(load_text) -> None:
    text = about_box(load_text(well(-1.0, 1.0)))
    corners = [float(part.split("[")[1].split("]")[0]) for part in text.split("write ")[1].split(" and ")]
    assert abs(corners[0] + corners[1]) < 0.15
    assert math.sqrt(60 * 0.1) < corners[1] < 2.9  # where 30 nats are, and a little room
    assert about_box(load_text(well(*corners))) == ""


def test_a_box_far_too_large_is_told_of(load_text) -> None:
    text = about_box(load_text(well(-20.0, 20.0)))
    assert text.startswith("box: the noise hardly ever leaves a part of it that is 7.")
    assert "times smaller; domain.lower = [-2." in text
    assert text.endswith(" would do")


def test_a_loss_without_a_bottom(load_text) -> None:
    text = about_box(load_text(well(-1.0, 1.0, loss="-x")))
    assert "x = 1 (about" in text
    assert "the potential falls" in text
    assert "numbers are those of a reflecting wall" in text


def test_starts_high_up_are_held_too(load_text) -> None:
    """A process that starts at 45 nats comes down from there."""
    assert about_box(load_text(well(-3.0, 3.0))) == ""
    start = '[regions]\nall = "x < 4"\n[[exit]]\nregion = "all"\nstart = [[3.0]]\n'
    assert about_box(load_text(well(-20.0, 20.0, more=start))) != about_box(load_text(well(-20.0, 20.0)))


def test_noise_that_depends_on_the_point_in_one_dimension(load_text) -> None:
    """f = x^2, D = 1 + x^2: the density is (1 + x^2)^-2, and behind x = b is rho D/a = (1 + b^2)^-1/(4 b) of it."""
    text = about_box(
        load_text(well(-4.0, 4.0, d=0.1, loss="x**2").replace("diffusion = 0.1", 'diffusion = "1 + x**2"'))
    )
    exact = 1 / 17 / (4 * 4) / 1.5446  # the integral of (1 + x^2)^-2 over the box
    assert f"about {exact:.1e}"[:9] in text
    assert "numbers are those of a reflecting wall" in text


def test_nothing_is_said_where_no_potential_is_known(load_text, tmp_path) -> None:
    (tmp_path / "iris.csv").write_text(CSV)
    assert about_box(load_text(IRIS + "[stationary]\n")) == ""
    boundary = '[boundary]\nabsorbing = "x > 0.99"\n[regions]\nall = "x < 2"\n[[exit]]\nregion = "all"\n'
    absorbed = well(-1.0, 1.0).replace("[stationary]\n", "") + boundary
    assert about_box(load_text(absorbed)) == ""


NAMELESS = changed("cells = [32, 24]\n", "")


def chosen(load_text, text: str, overrides: tuple[str, ...] = ()) -> Box:
    case = load_text(text, overrides)
    assert isinstance(case.domain, Box)
    assert case.domain.chosen
    return case.domain


def test_cells_are_chosen_where_the_case_names_none(load_text) -> None:
    case = load_text(NAMELESS)
    cells = list(case.domain.cells)
    assert min(cells) >= FEWEST[2]
    assert str(advise(case)[0]).startswith(f"domain.cells = {cells}, as the case names none: ")
    assert tomllib.loads(dump(case))["domain"]["cells"] == cells
    assert load_text(dump(case)) == case
    assert load_text(dump(case)).domain.chosen is None
    assert not any(line.warning for line in advise(case))


def test_less_noise_and_narrower_starts_ask_for_more_cells(load_text) -> None:
    usual = chosen(load_text, NAMELESS).cells
    assert chosen(load_text, NAMELESS, ("parameters.d=0.03",)).cells > usual
    assert chosen(load_text, NAMELESS, ("evolution.initial.gaussian.std=0.02",)).cells > usual
    assert chosen(load_text, NAMELESS, ("discretization.degree=2",)).cells > usual
    assert all(count % 2 == 0 for count in usual)


def test_cells_do_not_depend_on_the_unit_of_length(load_text) -> None:
    """x -> 10 x with f, D and the start scaled along."""
    scaled = (
        "[domain]\nlower = [-20, -15]\nupper = [20, 15]\n[loss]\nexpression = '((x/10)**2 - 1)**2/4 + 2*(y/10)**2'\n"
    )
    scaled += (
        "[noise]\ndiffusion = 10\n[evolution]\ninitial = { gaussian = { mean = [-10, 0], std = 2 } }\nend_time = 1\n"
    )
    plain = scaled.replace("[-20, -15]", "[-2, -1.5]").replace("[20, 15]", "[2, 1.5]").replace("/10)", ")")
    plain = plain.replace("diffusion = 10", "diffusion = 0.1").replace("[-10, 0], std = 2 ", "[-1, 0], std = 0.2 ")
    # the loss in other units: f -> f with D -> 100 D would be f/100; scale the noise of the loss alike
    scaled = scaled.replace("diffusion = 10", "diffusion = 0.1")
    first, second = chosen(load_text, plain), chosen(load_text, scaled)
    assert np.allclose(first.cells, second.cells, rtol=0.1)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_budget_holds(load_text, dimension: int) -> None:
    ones = [1] * dimension
    text = (
        f"[domain]\nlower = {[-1] * dimension}\nupper = {ones}\n"
        f'[loss]\nexpression = "{" + ".join(f"{name}**2" for name in "xyz"[:dimension])}"\n[noise]\ndiffusion = 1e-6\n'
        f"[evolution]\ninitial = {{ point = {[0] * dimension} }}\nend_time = 1\n"
    )
    case = load_text(text)
    count = case.domain.nodes(case.discretization.degree)
    assert 0.5 * BUDGET[dimension] < count <= BUDGET[dimension]
    assert "as far as" in case.domain.chosen


def test_a_ball_chooses_the_size_of_its_cells(load_text) -> None:
    text = changed(
        "lower = [-2.0, -1.5]\nupper = [2.0, 1.5]\ncells = [32, 24]\n", 'shape = "ball"\ncenter = [0, 0]\nradius = 2\n'
    )
    case = load_text(text)
    assert 0.01 < case.domain.cell_size < 0.3
    assert str(advise(case)[0]).startswith(f"domain.cell_size = {case.domain.cell_size:g}, as the case names none")
    assert load_text(dump(case)) == case


def test_both_keys_are_one_too_many(mistakes) -> None:
    found = mistakes(changed("cells = [32, 24]", "cells = [32, 24]\ncell_size = 0.1", GOOD))
    assert "does not go with cells" in found[0]
