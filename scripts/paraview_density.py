"""Film the density of a run with ParaView: a colour map and one scale for all times, a picture per frame, and a film.

    pvpython scripts/paraview_density.py results/two_minima
    pvpython scripts/paraview_density.py results/two_minima --output films --size 1920x1080 --log

Reads density.vtkhdf (ParaView >= 5.12) or density.pvd (ParaView >= 5.11; `format = "pvd"` under [output] of the case).
Writes density_0000.png, ... and, where this ParaView can, density.avi (else density.ogv). On a machine without a
display put `xvfb-run -a` in front, or use ParaView's pvbatch with an EGL or OSMesa build.
"""

import argparse
import math
import pathlib
import sys

try:
    import paraview
    from paraview import simple
except ImportError:
    sys.exit("This script is run by ParaView's own Python: pvpython scripts/paraview_density.py FOLDER")

FILMS = (".avi", ".ogv")
DECADES = 4  # of a logarithmic scale
ROOM = 1.5  # of a flat picture, over what it shows: space for axes, time and colour bar


def main():
    """Film the run named on the command line."""
    args = arguments()
    source = open_run(args.folder)
    times = list(getattr(source, "TimestepValues", [])) or [0.0]
    highest = scale(source, times)
    output = args.output or args.folder / "film"
    output.mkdir(parents=True, exist_ok=True)
    view, colours = stage(source, args.size, highest, args.log)
    label_axes(view, coordinates(args.folder))
    clock = simple.Text(Text="")
    display = simple.Show(clock, view)
    display.Color = [0.0, 0.0, 0.0]
    display.FontSize = 20
    display.WindowLocation = "Upper Center"
    for number, time in enumerate(times):
        clock.Text = f"density at t = {time:.4g}"
        view.ViewTime = time
        simple.Render(view)
        simple.SaveScreenshot(str(output / f"density_{number:04d}.png"), view, ImageResolution=list(args.size))
    print(f"{len(times)} pictures: {output}/density_*.png, colours from {colours[0]:.3g} to {colours[1]:.3g}")
    simple.Hide(clock, view)
    film(view, source, output, args.size)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="pvpython paraview_density.py", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="results folder of a run")
    parser.add_argument("--output", type=pathlib.Path, help="folder for pictures and film (default: FOLDER/film)")
    parser.add_argument("--size", type=size, default=(1280, 960), help="pixels, such as 1280x960 (default)")
    parser.add_argument("--log", action="store_true", help=f"logarithmic colours over {DECADES} decades")
    return parser.parse_args()


def size(text):
    """Width and height from ``1280x960``."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and 16 <= int(part) <= 16384 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size in pixels; write one such as 1280x960")
    return int(parts[0]), int(parts[1])


def open_run(folder):
    """A reader of the run's density that this ParaView has."""
    version = paraview.servermanager.vtkSMProxyManager
    temporal = (version.GetVersionMajor(), version.GetVersionMinor()) >= (5, 12)
    pvd, vtkhdf = folder / "density.pvd", folder / "density.vtkhdf"
    if pvd.exists():
        return simple.PVDReader(FileName=str(pvd))
    if not vtkhdf.exists():
        sys.exit(f"{folder}: no density.vtkhdf or density.pvd here; give the folder of a run with [evolution]")
    if not temporal:
        sys.exit(
            f"{vtkhdf}: needs ParaView 5.12, this is {version.GetVersionMajor()}.{version.GetVersionMinor()}; "
            'run the case with format = "pvd" under [output], or use a newer ParaView'
        )
    return simple.OpenDataFile(str(vtkhdf))


def scale(source, times):
    """The highest density at any time."""
    highest = 0.0
    for time in times:
        simple.UpdatePipeline(time=time, proxy=source)
        array = source.PointData.GetArray("density")
        if array is None:
            sys.exit("no point array `density` in this file; it is not the density of a run")
        highest = max(highest, array.GetRange()[1])
    return highest if highest > 0 and math.isfinite(highest) else 1.0


def stage(source, pixels, highest, log):
    """A view of the density, ready to be rendered, and the range of its colours."""
    simple._DisableFirstRenderCameraReset()  # as ParaView's own traces do; the camera is set by `aim`
    view = simple.CreateView("RenderView")
    simple.SetActiveView(view)
    view.ViewSize = list(pixels)
    view.OrientationAxesVisibility = 0
    view.UseColorPaletteForBackground = 0
    view.Background = [1.0, 1.0, 1.0]
    bounds = source.GetDataInformation().GetBounds()
    extents = [bounds[2 * i + 1] - bounds[2 * i] for i in range(3)]
    flat = extents[2] == 0
    shown = source if flat else simple.Contour(Input=source, ContourBy=["POINTS", "density"])
    if extents[1] == 0:  # 1-D: the density as height, scaled to the view
        shown = simple.WarpByScalar(Input=source, Scalars=["POINTS", "density"])
        shown.Normal = [0.0, 1.0, 0.0]
        shown.UseNormal = 1
        shown.ScaleFactor = 0.6 * extents[0] / highest
    lowest = highest * 10.0**-DECADES if log or not flat else 0.0
    if not flat:
        shown.Isosurfaces = [highest * fraction for fraction in (0.5, 0.1, 0.01, 0.001)]
    display = simple.Show(shown, view)
    simple.ColorBy(display, ("POINTS", "density"))
    table = simple.GetColorTransferFunction("density")
    table.ApplyPreset("Viridis (matplotlib)", True)
    table.RescaleTransferFunction(lowest, highest)
    table.AutomaticRescaleRangeMode = "Never"
    if lowest > 0:
        table.MapControlPointsToLogSpace()
        table.UseLogScale = 1
    bar = simple.GetScalarBar(table, view)
    bar.Title, bar.ComponentTitle = "density", ""
    bar.TitleColor = bar.LabelColor = [0.0, 0.0, 0.0]
    bar.WindowLocation = "Any Location"  # "AnyLocation" before ParaView 5.10, which reads neither of our formats
    bar.Position, bar.ScalarBarLength = [0.87, 0.25], 0.5
    display.SetScalarBarVisibility(view, True)
    if extents[1] == 0:
        display.LineWidth = 4.0
        view.AxesGrid.YAxisUseCustomLabels = 1  # heights are scaled to the view; the colours have the numbers
    if not flat:
        display.Opacity = 0.35
        box = simple.Show(simple.Outline(Input=source), view)
        box.AmbientColor = box.DiffuseColor = [0.3, 0.3, 0.3]
    aim(view, bounds, extents, flat)
    return view, (lowest, highest)


def aim(view, bounds, extents, flat):
    """Point the camera; in 1-D and 2-D straight down, with axes around the picture."""
    centre = [(bounds[2 * i] + bounds[2 * i + 1]) / 2 for i in range(3)]
    view.AxesGrid.Visibility = 1
    for name in ("XTitle", "YTitle", "ZTitle", "XLabel", "YLabel", "ZLabel"):
        setattr(view.AxesGrid, f"{name}Color", [0.0, 0.0, 0.0])
        setattr(view.AxesGrid, f"{name}FontSize", 20)
    view.AxesGrid.GridColor = [0.6, 0.6, 0.6]
    if not flat:
        reach = 2.4 * max(extents)
        view.CameraPosition = [centre[0] + 0.5 * reach, centre[1] - reach, centre[2] + 0.6 * reach]
        view.CameraFocalPoint, view.CameraViewUp = centre, [0.0, 0.0, 1.0]
        simple.ResetCamera(view)
        return
    view.AxesGrid.AxesToLabel = 3  # bits: the lower x and y sides, not their opposites
    height = extents[1] or 0.6 * extents[0]
    width, tall = view.ViewSize
    view.CameraParallelProjection = 1
    view.InteractionMode = "2D"
    middle = [centre[0] + 0.01 * extents[0], bounds[2] + height / 2, 0.0]  # room for the colour bar on the right
    view.CameraFocalPoint = middle
    view.CameraPosition = [middle[0], middle[1], 10.0 * (extents[0] + height)]
    view.CameraViewUp = [0.0, 1.0, 0.0]
    view.CameraParallelScale = 0.5 * ROOM * max(height, extents[0] * tall / width)


def coordinates(folder):
    """Names of the coordinates, from the case; x, y, z where this Python cannot read it."""
    try:
        import tomllib  # Python >= 3.11

        domain = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))["domain"]
        names = [str(name) for name in domain.get("coordinates", "xyz")]
    except (ImportError, OSError, ValueError, KeyError):
        names = ["x", "y", "z"]
    return names if len(names) > 1 else [*names, "density"]


def label_axes(view, names):
    """Put names on the axes around the picture."""
    for axis, name in zip("XYZ", names, strict=False):
        setattr(view.AxesGrid, f"{axis}Title", name)


def film(view, source, output, pixels):
    """A film of all times, in the first format that this ParaView can write."""
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    stamp = simple.AnnotateTimeFilter(Input=source, Format="density at t = {time:.4g}")
    display = simple.Show(stamp, view)
    display.Color = [0.0, 0.0, 0.0]
    display.FontSize = 20
    display.WindowLocation = "Upper Center"
    for suffix in FILMS:
        path = output / f"density{suffix}"
        try:
            simple.SaveAnimation(str(path), view, ImageResolution=list(pixels), FrameRate=10)
        except RuntimeError:
            continue
        if path.exists() and path.stat().st_size > 0:
            print(f"film: {path}")
            return
    print("no film: this ParaView has no AVI or OGV writer; the pictures make one with ffmpeg or any editor")


if __name__ == "__main__":
    main()
