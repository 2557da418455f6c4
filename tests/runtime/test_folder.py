"""Results folders: ours, other people's, and one run at a time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from programs import Programs, clean_environment

from fpsolver.errors import BadUsage, ExitCode
from fpsolver.runtime import RunFolder, folder, lock


def contents(root: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def test_a_missing_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "results" / "case") as results:
        assert (results.status, results.identity) == ("empty", None)
        assert results.root.is_dir()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path) as results:
        assert results.status == "empty"


def test_status_and_identity_are_kept(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path) as results:
        results.begin("abc")
        assert results.status == "unfinished"
    with RunFolder.open(tmp_path) as results:
        assert (results.status, results.identity) == ("unfinished", "abc")
        results.finish("abc")
    with RunFolder.open(tmp_path) as results:
        assert (results.status, results.identity) == ("finished", "abc")
        results.begin("abc")
        assert results.status == "unfinished"


@pytest.mark.parametrize("fresh", [False, True])
def test_a_foreign_folder_is_refused_and_untouched(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "results.json").write_text("{}")
    before = contents(tmp_path)
    with pytest.raises(BadUsage, match=r"did not write \(such as results\.json\).*another folder with -o DIR"):
        RunFolder.open(tmp_path, fresh=fresh)
    assert contents(tmp_path) == before


def test_fresh_removes_what_we_wrote_and_nothing_else(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path) as results:
        for path in results.paths(["results.json", "checkpoint/step.h5", "frames/a.vtu"]):
            path.write_text("ours")
        results.path("never-written.png")
        results.finish("abc")
    (tmp_path / "notes.txt").write_text("the user's")
    (tmp_path / "frames" / "mine.vtu").write_text("the user's")
    with RunFolder.open(tmp_path, fresh=True) as results:
        assert (results.status, results.files()) == ("empty", [])
    assert set(contents(tmp_path)) == {folder.MARKER, "notes.txt", "frames", "frames/mine.vtu"}


def test_what_a_killed_run_left_goes_with_fresh(tmp_path: Path) -> None:
    """Growing parts and temporaries of atomic writes, of single files and of frames; nothing of the user's."""
    templates = ("density_frames/######.pvtu", "density_frames/######_p#.vtu")
    with RunFolder.open(tmp_path) as results:
        results.begin("abc")
        results.path("curves.csv")
        results.path("density.pvd", templates).write_text("ours")
    ours = ["curves.csv", "curves.csv.part", ".curves.csv.ab_12xyz.tmp", ".curves.csv.part.abcd1234.tmp"]
    ours += [f"density_frames/{name}" for name in ("000000.pvtu", "000012_p0.vtu", "000012_p13.vtu", "1000000.pvtu")]
    ours += ["density_frames/.000012_p1.vtu.abcd1234.tmp", f".{folder.MARKER}.abcd1234.tmp"]
    users = ["notes.txt", "notes.txt.part", ".notes.txt.abcd1234.tmp", ".curves.csv.swp", "curves.csv.bak"]
    users += [
        f"density_frames/{name}" for name in ("notes.txt", "12.pvtu", "000012.png", "000012_p.vtu", "a000012.pvtu")
    ]
    (tmp_path / "density_frames").mkdir(exist_ok=True)
    for name in ours + users:
        (tmp_path / name).write_text("something")
    with RunFolder.open(tmp_path, fresh=True) as results:
        assert results.files() == []
    assert set(contents(tmp_path)) == {folder.MARKER, "density_frames", *users}


def test_frames_of_a_user_are_not_taken_for_ours(tmp_path: Path) -> None:
    """A template that is noted where such files are already would make them ours to remove."""
    with RunFolder.open(tmp_path) as results:
        (tmp_path / "density_frames").mkdir()
        (tmp_path / "density_frames" / "000003.pvtu").write_text("the user's")
        with pytest.raises(BadUsage, match=r"000003\.pvtu is there already"):
            results.path("density.pvd", ["density_frames/######.pvtu"])
        results.clear()
    assert (tmp_path / "density_frames" / "000003.pvtu").exists()


def test_folders_of_frames_go_when_they_are_empty(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path) as results:
        results.path("density.pvd", ["density_frames/######.pvtu"])
        (tmp_path / "density_frames").mkdir()
        (tmp_path / "density_frames" / "000000.pvtu").write_text("ours")
    with RunFolder.open(tmp_path, fresh=True):
        pass
    assert set(contents(tmp_path)) == {folder.MARKER}


def test_a_folder_whose_first_run_was_killed_at_once_is_ours(tmp_path: Path) -> None:
    """Killed while the marker was written for the first time."""
    (tmp_path / lock.NAME).write_text("")
    (tmp_path / f".{folder.MARKER}.abcd1234.tmp").write_text("{")
    with RunFolder.open(tmp_path) as results:
        assert results.status == "empty"


def test_a_user_s_file_in_our_folder_is_not_overwritten(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path):
        pass
    (tmp_path / "results.json").write_text("the user's")
    with RunFolder.open(tmp_path) as results, pytest.raises(BadUsage, match="not written by fpsolver; move it away"):
        results.path("results.json")


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../other", "a/../../other", folder.MARKER, lock.NAME])
def test_names_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with RunFolder.open(tmp_path / "r") as results, pytest.raises(ValueError, match="inside a results folder"):
        results.path(name)


def test_a_marker_that_was_edited_removes_nothing_outside(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with RunFolder.open(tmp_path / "r"):
        pass
    marker = tmp_path / "r" / folder.MARKER
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"files": ["../victim"]}))
    with pytest.raises(BadUsage, match="cannot be understood"):
        RunFolder.open(tmp_path / "r", fresh=True)
    assert victim.exists()


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "r") as results:
        results.path("checkpoint/step.h5", ["checkpoint/######.h5"])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "step.h5").write_text("precious")
    (tmp_path / "elsewhere" / "000001.h5").write_text("precious")
    (tmp_path / "r" / "checkpoint").rmdir()
    (tmp_path / "r" / "checkpoint").symlink_to(tmp_path / "elsewhere")
    with RunFolder.open(tmp_path / "r", fresh=True):
        pass
    assert set(contents(tmp_path / "elsewhere")) == {"step.h5", "000001.h5"}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}', '{"schema": 2, "identity": null}'])
def test_a_marker_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / folder.MARKER).write_text(text)
    with pytest.raises(BadUsage, match="another folder with -o DIR"):
        RunFolder.open(tmp_path, fresh=True)
    assert set(contents(tmp_path)) == {folder.MARKER}  # no lock stays behind


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(BadUsage, match="is a file, not a folder"):
        RunFolder.open(tmp_path / "results")
    with pytest.raises(BadUsage, match="cannot be written"):
        RunFolder.open(tmp_path / "results" / "case")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock.os, "open", refuse)  # type: ignore[attr-defined]  # a mode would not stop root
    with pytest.raises(BadUsage, match=r"cannot be written \(Permission denied\)"):
        RunFolder.open(tmp_path)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path), pytest.raises(BadUsage, match=f"process {os.getpid()} on .* is writing here"):
        RunFolder.open(tmp_path)
    with RunFolder.open(tmp_path):
        pass
    assert set(contents(tmp_path)) == {folder.MARKER}


HOLD = """
import sys, time
from pathlib import Path
from fpsolver.runtime import RunFolder
with RunFolder.open(Path("results")) as results:
    results.begin("abc")
    print("held", flush=True)
    time.sleep(30)
"""


def test_a_killed_run_does_not_keep_the_folder(launch: Programs, tmp_path: Path) -> None:
    holder = launch.start(HOLD)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BadUsage, match=f"process {holder.pid} "):
        RunFolder.open(tmp_path / "results")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert (tmp_path / "results" / lock.NAME).exists()
    with RunFolder.open(tmp_path / "results") as results:
        assert results.status == "unfinished"


def owner(**changes: object) -> str:
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": "1", "job": ""} | changes)


def test_without_flock_the_text_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Lustre mounts know no flock."""

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)  # type: ignore[attr-defined]
    with RunFolder.open(tmp_path), pytest.raises(BadUsage, match="is writing here"):
        RunFolder.open(tmp_path)
    (tmp_path / lock.NAME).write_text(owner())  # the number is in use, but by a process that began later
    with RunFolder.open(tmp_path):
        pass


def test_a_lock_of_another_host_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / lock.NAME).write_text(owner(host="node17", job="4711"))
    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    with pytest.raises(BadUsage, match=r"node17.* may still be writing.*delete .*\.fpsolver\.lock"):
        RunFolder.open(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")  # the same job, requeued on another node
    with RunFolder.open(tmp_path):
        pass


def test_two_starters_never_both_get_in(tmp_path: Path) -> None:
    """Each winner holds the folder for a moment and notes whether it was alone."""
    code = (
        "import sys, time; from pathlib import Path; from fpsolver.errors import BadUsage\n"
        "from fpsolver.runtime import RunFolder\n"
        "won = 0\n"
        "for _ in range(200):\n"
        "    try:\n"
        "        with RunFolder.open(Path('r')):\n"
        "            alone = Path('inside'); alone.touch(exist_ok=False); alone.unlink(); won += 1\n"
        "    except BadUsage: pass\n"
        "print(won)"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for racer in racers:
        output, _ = racer.communicate(timeout=60)
        assert racer.returncode == ExitCode.DONE
        assert int(output) > 0
