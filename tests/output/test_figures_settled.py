"""Figures of stationary states, spectra, exits and convergence: what they show, where, and when there is nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import settled
from matplotlib.colors import LogNorm, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.quiver import Quiver

from fpsolver.errors import BadUsage
from fpsolver.output.figures import FIGURES, draw, sets
from fpsolver.output.figures.folder import Run, load_run

DRAWN = {
    1: {"stationary", "effective_potential", "spectrum", "exit_time", "convergence", "fields"},
    2: {"stationary", "effective_potential", "spectrum", "exit_time", "convergence", "fields"},
    3: {"stationary", "spectrum", "convergence"},  # fields in space are for ParaView
}


@pytest.fixture(scope="module", params=[(1, "vtkhdf"), (2, "vtkhdf"), (3, "vtkhdf"), (2, "pvd")], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dimension, form = request.param
    return settled.write_settled(tmp_path_factory.mktemp(f"settled{dimension}{form}"), dimension, form=form)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in two dimensions."""
    return load_run(settled.write_settled(tmp_path_factory.mktemp("plane"), 2))


def figure_of(run: Run, name: str) -> Figure:
    figure = FIGURES[name](run)()
    assert figure is not None
    return figure


def with_results(run: Run, **changes: object) -> Run:
    """The run with other entries in the section ``stationary``."""
    return replace(run, results=dict(run.results) | {"stationary": dict(run.section("stationary")) | changes})


def words(figure: Figure) -> str:
    """All that a figure says."""
    texts = [figure.get_suptitle(), figure.get_supxlabel()]
    for axes in figure.axes:
        texts += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
        legend = axes.get_legend()
        texts += [text.get_text() for text in legend.get_texts()] if legend else []
    texts += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return "\n".join(texts)


@pytest.mark.filterwarnings("error")
def test_all_figures_of_a_run_are_drawn_and_not_blank(folder: Path) -> None:
    files = draw(folder)
    assert {file.stem for file in files} == DRAWN[load_run(folder).dimension]
    for file in files:
        pixels = imread(file)[..., :3]
        assert min(pixels.shape[:2]) >= 500
        assert pixels.std() > 0.02
        assert (pixels.min(axis=-1) < 0.95).mean() > 0.01


def test_without_stationary_states_and_exits_there_is_nothing_to_draw(plane: Run) -> None:
    bare = replace(plane, fields=None, results={}, convergence={})
    for name in DRAWN[2]:
        assert FIGURES[name](bare)() is None


# stationary


def arrows(figure: Figure) -> list[Quiver]:
    return [found for found in figure.axes[0].collections if isinstance(found, Quiver)]


def test_the_current_turns_with_the_field(plane: Run) -> None:
    """Arrows stand where the current is, and point along it."""
    [found] = arrows(figure_of(plane, "stationary"))
    points = np.column_stack([found.X, found.Y])
    slope = np.column_stack([points[:, 0] ** 3 - points[:, 0], 4 * points[:, 1]])
    directions = np.column_stack([found.U, found.V])
    cosine = (directions[:, 0] * slope[:, 1] - directions[:, 1] * slope[:, 0]) / np.linalg.norm(directions, axis=1)
    assert len(points) > 40
    assert (cosine > 0.9 * np.linalg.norm(slope, axis=1)).all()
    assert np.hypot(found.U, found.V).max() <= 1.0 + 1e-12


def test_detailed_balance_draws_no_arrows(plane: Run) -> None:
    """Round-off in a current that is zero would fill the picture with noise."""
    figure = figure_of(with_results(plane, detailed_balance=True), "stationary")
    assert not arrows(figure)
    assert "in detailed balance: no current" in words(figure)
    assert "probability current" not in words(figure)


def test_maxima_minima_and_point_masses_are_marked(plane: Run) -> None:
    figure = figure_of(plane, "stationary")
    marks = {line.get_marker(): [] for line in figure.axes[0].lines}
    for line in figure.axes[0].lines:
        marks[line.get_marker()].append((float(line.get_xdata()[0]), float(line.get_ydata()[0])))
    assert marks["o"] == [(-0.9, 0.0), (0.9, 0.0)]
    assert marks["+"] == [(-1.0, 0.0), (1.0, 0.0)]
    assert "crosses: minima of the loss" in words(figure)
    mass = {"kind": "point mass", "support": [0.5, -0.5], "regions": {}}
    starred = figure_of(with_results(plane, classes=[mass], states=2), "stationary")
    assert any(line.get_marker() == "*" for line in starred.axes[0].lines)
    assert "2 states" in words(starred)


# effective potential


def test_loss_and_potential_have_one_scale_where_the_noise_is_a_number(plane: Run) -> None:
    figure = figure_of(plane, "effective_potential")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert [type(image.norm) for image in images] == [PowerNorm, PowerNorm]
    assert [image.norm.vmax for image in images] == [30.0, 30.0]
    np.testing.assert_allclose(images[0].get_array(), images[1].get_array(), atol=1e-9)
    assert "loss / D" in words(figure)


@pytest.mark.parametrize("noise", [{"diffusion": [["d", "0"], ["0", "d"]]}, {"learning_rate": 0.1, "batch_size": 1}])
def test_without_a_scalar_noise_the_loss_keeps_its_unit(plane: Run, noise: dict[str, Any]) -> None:
    """Its scale ends where the effective potential does."""
    figure = figure_of(replace(plane, case=dict(plane.case) | {"noise": noise}), "effective_potential")
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert images[0].norm.vmax == 30.0
    assert images[1].norm.vmax == pytest.approx(30.0 * settled.D, rel=0.02)
    assert "units of the loss" in words(figure)


def test_without_a_loss_there_is_one_panel(tmp_path: Path, plane: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case with [drift] alone has a loss of zero."""
    fields = settled.fields_of

    def flat(points: Any, dimension: int) -> dict[str, Any]:
        return fields(points, dimension) | {"loss": np.zeros(len(points))}

    monkeypatch.setattr(settled, "fields_of", flat)
    for dimension in (1, 2):
        run = load_run(settled.write_settled(tmp_path / str(dimension), dimension))
        said = words(figure_of(run, "effective_potential"))
        assert "effective potential" in said
        assert "loss" not in said
        assert "loss" not in words(figure_of(run, "stationary")).replace("minima of the loss", "")


# exit times


def test_every_exit_has_its_panel_with_starts_and_times(plane: Run) -> None:
    figure = figure_of(plane, "exit_time")
    panels = [axes for axes in figure.axes if axes.get_title().startswith("mean time to leave")]
    assert [axes.get_title() for axes in panels] == [f"mean time to leave {name}" for name in ("left", "most", "disc")]
    assert [type(axes.images[0].norm) is LogNorm for axes in panels] == [False, True, False]
    assert [[text.get_text() for text in axes.texts] for axes in panels] == [["362", "286"], ["727", "650"], ["4", "∞"]]
    assert "grey: never leaves" in words(figure)


@pytest.mark.parametrize("dimension", [1, 2])
def test_an_exit_that_never_happens_is_named(tmp_path: Path, dimension: int) -> None:
    """It has no field, and a picture without a word would look complete."""
    run = load_run(settled.write_settled(tmp_path, dimension))
    case = dict(run.case) | {"exit": [*run.case["exit"], {"region": "nowhere", "start": [[0.0] * dimension]}]}
    assert "infinite or unknown: nowhere" in words(figure_of(replace(run, case=case), "exit_time"))


def test_outside_the_region_nothing_is_drawn(plane: Run) -> None:
    """The boundary comes from the level function, with parameters that are expressions of others."""
    panels = [axes for axes in figure_of(plane, "exit_time").axes if axes.get_title()]
    for axes, inside in zip(
        panels,
        (
            lambda x, y: x < 0,
            lambda x, y: x < 16 * settled.D,
            lambda x, y: ((x + 0.5) ** 2 + y**2 < 0.8) & (x > -1.2),
        ),
        strict=True,
    ):
        image = axes.images[0]
        left, right, bottom, top = image.get_extent()
        shown = ~np.ma.getmaskarray(np.ma.masked_invalid(image.get_array()))
        rows, columns = shown.shape
        x, y = np.meshgrid(
            left + (np.arange(columns) + 0.5) * (right - left) / columns,
            bottom + (np.arange(rows) + 0.5) * (top - bottom) / rows,
        )
        wrong = shown != inside(x, y)
        assert not (shown & ~inside(x, y) & (x > -1.25)).any()
        assert wrong.mean() < 0.02  # cells that straddle the line between numbers and none


def test_a_small_region_is_seen_from_close(plane: Run) -> None:
    panels = [axes for axes in figure_of(plane, "exit_time").axes if axes.get_title()]
    assert panels[0].get_xlim() == pytest.approx((-2.0, 2.0))
    assert panels[2].get_xlim()[1] < 0.8


def test_spread_starts_are_rings(plane: Run) -> None:
    case, results = dict(plane.case), dict(plane.results)
    case["exit"] = [{"region": "left", "initial": {"gaussian": {"mean": [-1.0, 0.0], "std": 0.1}}}]
    start = {"point": [-1.0, 0.0], "initial": "gaussian", "mean": {"value": 12.5, "error": 0.1}}
    results["exit"] = [{"region": "left", "starts": [start]}]
    figure = figure_of(replace(plane, case=case, results=results), "exit_time")
    assert "rings: means of initial densities" in words(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["12.5"]


def test_a_region_that_cannot_be_read_costs_its_line_only(plane: Run) -> None:
    """A case edited by hand."""
    case = dict(plane.case) | {"regions": {"left": "slope <", "most": "slope < 0.8"}}
    assert figure_of(replace(plane, case=case), "exit_time") is not None
    assert sets.region(replace(plane, case=case), "left") is None


def test_absorbing_walls_are_drawn(plane: Run) -> None:
    wall = sets.absorbing(plane)
    assert wall is not None
    axes = figure_of(plane, "exit_time").axes[0]
    thick = [line for line in axes.lines if line.get_linewidth() > 5]
    places = np.concatenate([np.column_stack(line.get_data()) for line in thick])
    places = places[np.isfinite(places).all(axis=1)]
    assert (places[:, 0] > 1.99).all()
    assert np.ptp(places[:, 1]) == pytest.approx(3.0)


# spectrum


def test_real_eigenvalues_are_a_ladder_and_complex_ones_points(tmp_path: Path, plane: Run) -> None:
    ladder = figure_of(load_run(settled.write_settled(tmp_path, 1)), "spectrum")
    assert ladder.axes[0].get_yscale() == "log"
    assert "spectral gap 0.0032: relaxation time 312.5" in words(ladder)
    points = figure_of(plane, "spectrum")
    assert "angular frequency" in words(points)
    assert points.axes[0].get_ylim()[1] == pytest.approx(1.25 * 0.7)


def test_a_gap_far_below_round_off_of_one_is_on_the_scale(plane: Run) -> None:
    rates = [0.0, 6.15e-12, 0.9, 1.7]
    values = [{"value": rate, "error": 2 * rate} for rate in rates]  # a bar that would reach below 0
    run = with_results(plane, eigenvalues=values, spectral_gap={"value": rates[1], "error": None, "why": "no"})
    axes = figure_of(run, "spectrum").axes[0]
    assert axes.get_ylim()[0] < 6e-12
    assert "6.15e-12" in words(figure_of(run, "spectrum"))


def test_equal_rates_need_no_logarithm(plane: Run) -> None:
    run = with_results(plane, eigenvalues=[{"value": rate, "error": None} for rate in (0.0, 1.0, 2.0)])
    assert figure_of(run, "spectrum").axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0]])
def test_without_a_nonzero_eigenvalue_there_is_no_spectrum(plane: Run, values: list[float]) -> None:
    run = with_results(plane, eigenvalues=[{"value": value, "error": 0.0} for value in values], states=2)
    assert FIGURES["spectrum"](run)() is None


# convergence


def test_orders_are_named_and_what_is_not_asymptotic_says_so(plane: Run) -> None:
    said = words(figure_of(plane, "convergence"))
    assert "exit.0.starts.0.mean: order 8.0 (expected 8)" in said
    assert "evolution: order 1.0 (expected 8), not asymptotic" in said
    assert "zero" not in said


def test_of_many_quantities_those_known_least_are_shown(plane: Run) -> None:
    one = dict(plane.convergence["quantities"][0])
    entries = [one | {"name": f"q{n}", "values": [1.0 + 10.0**-n, 1.0 + 10.0 ** -(n + 1), 1.0]} for n in range(1, 13)]
    run = replace(plane, convergence=dict(plane.convergence) | {"quantities": entries})
    said = words(figure_of(run, "convergence"))
    assert "q10" in said
    assert "q11" not in said
    assert "2 more quantities change less" in said


def test_what_is_zero_by_symmetry_or_twice_there_is_left_out(plane: Run) -> None:
    """Round-off relative to round-off would be on top of the picture."""
    one = dict(plane.convergence["quantities"][0])
    noise = one | {"name": "noise", "values": [1e-17, -3e-17, 2e-17], "size": 1.0}
    twice = one | {"name": "twice"}
    run = replace(plane, convergence=dict(plane.convergence) | {"quantities": [one, noise, twice]})
    said = words(figure_of(run, "convergence"))
    assert one["name"] in said
    assert "noise" not in said
    assert "twice" not in said


def test_a_damaged_record_of_convergence_is_named(tmp_path: Path) -> None:
    settled.write_settled(tmp_path, 1)
    (tmp_path / "convergence.json").write_text("{")
    with pytest.raises(BadUsage, match=r"convergence\.json: not JSON"):
        draw(tmp_path)


def test_convergence_needs_no_results(tmp_path: Path) -> None:
    """A folder of the verb converge has a case and the record alone."""
    settled.write_case(tmp_path, 2)
    (tmp_path / "convergence.json").write_text(json.dumps(settled.convergence()))
    assert [file.name for file in draw(tmp_path)] == ["convergence.png"]


def test_committors_show_both_regions_and_the_way_between_them(plane: Run) -> None:
    """In the plane; arrows follow the reactive current."""
    points = plane.fields.mesh().points
    case = {**plane.case, "committor": [{"source": "left", "target": "right"}]}
    case["regions"] = {"left": "slope < -1", "right": "slope > 1"}
    values = {
        "committor_left_right": np.clip((points[:, 0] + 1) / 2, 0.0, 1.0),
        "reactive_current_left_right": np.column_stack([np.exp(-(points[:, 1] ** 2)), *np.zeros((2, len(points)))]),
    }

    class WithCommittor(Run):
        def field(self, name: str) -> Any:
            return values.get(name, None if name != "loss" else super().field(name))

    results = {"committor": [{"source": "left", "target": "right", "rate": {"value": 0.25, "error": 0.0}}]}
    run = WithCommittor(**{**vars(plane), "case": case, "results": results})
    figure = figure_of(run, "committor")
    (panel,) = [axes for axes in figure.axes if axes.get_title()]
    assert panel.get_title() == "right before left, rate 0.25"
    (arrows,) = [part for part in panel.get_children() if isinstance(part, Quiver)]
    np.testing.assert_allclose(arrows.U, 1.0)
    np.testing.assert_allclose(arrows.V, 0.0, atol=1e-12)
    assert "source" in words(figure)
    assert FIGURES["committor"](plane)() is None
