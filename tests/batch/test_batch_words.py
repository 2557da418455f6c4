"""Whatever users write reaches fpsolver as it was written, and nothing else reads it: neither shell nor scheduler."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from cluster import Cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsolver.batch.schedulers import SCHEDULERS
from fpsolver.batch.script import script
from fpsolver.batch.words import job_name, memory, plain, quoted
from fpsolver.errors import BadUsage

NASTY = [
    "two words",
    "$(touch canary)",
    "`touch canary`",
    "'; touch canary; '",
    '"; touch canary; "',
    "#SBATCH --nodes=99",
    "#PBS -l select=99",
    "\\",
    "a\\",
    "!!",
    "* ? [a-z] {1,2} ~ $HOME ${x:-y}",
    "&& touch canary",
    "-",
    "--",
    "=",
    "",
    "%j %% %",
    "ψ ∂ρ/∂t \u2028 \u00a0",
    ")",
    "EOF",
]
SIGNS = st.characters(exclude_categories=["Cc", "Cs"])
WORDS = st.one_of(st.sampled_from(NASTY), st.text(st.one_of(st.sampled_from("'\"\\$`#;&|<>(){}[]*?!~ %=-"), SIGNS)))
NAMES = WORDS.map(lambda word: word.replace("/", "_")[:40]).filter(lambda word: word.strip(".") != "")
QUICK = settings(deadline=None, database=None, max_examples=40)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@QUICK
@given(words=st.lists(WORDS, max_size=5), name=NAMES, module=WORDS)
def test_words_come_through_as_they_are(scheduler: str, words: list[str], name: str, module: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        cluster = Cluster(Path(place))
        # the shell of the job knows modules
        cluster.environment["BASH_FUNC_module%%"] = '() { shift; printf "%s\\0" "$@" >> "$NOTES/modules"; }'
        here = cluster.folder / name
        here.mkdir()
        job = replace(
            cluster.plain_job,
            name=job_name(name, 15),
            here=here,
            results=here / name,
            python=here / "bin" / "python",
            modules=(module,),
            words=tuple(words),
        )
        text = script(job, SCHEDULERS[scheduler])
        code, said = cluster.turn(text, PBS_JOBID="7.server")
        assert code == 0, said
        launched = (cluster.notes / "launched").read_text(encoding="utf-8").split("\0")[:-1]
        assert launched == ["-n", "6", str(job.python), "-m", "fpsolver", "run", *words]
        assert (cluster.notes / "modules").read_text(encoding="utf-8").split("\0")[:-1] == [module]
        made = {path.name for path in here.iterdir()} - {f"{job.name}-7.out"}
        assert made == set()  # no canary


@pytest.mark.parametrize(("scheduler", "sign"), [("slurm", "#SBATCH"), ("pbs", "#PBS")])
@QUICK
@given(words=st.lists(WORDS, max_size=5), name=NAMES)
def test_no_word_becomes_a_directive(scheduler: str, sign: str, words: list[str], name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        plain_job = Cluster(Path(place)).plain_job
    kind = SCHEDULERS[scheduler]
    job = replace(plain_job, name=job_name(name, 15), results=Path("/") / name / name, here=Path("/") / name)
    job = replace(job, words=tuple(words), modules=tuple(words))
    # split as no scheduler does, to be on the safe side
    directives = [line for line in script(job, kind).splitlines() if line.startswith(sign)]
    assert directives == kind.directives(job)
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,:@+/-=%# ")
    assert set("".join(directives)) <= allowed


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "\0", "\x1b[31m", "\n#SBATCH --nodes=99", "\udcff", "\x7f", "\x85"])
def test_line_breaks_and_other_control_characters_are_refused(word: str) -> None:
    with pytest.raises(BadUsage, match="has no place in a job script"):
        quoted(word)


@given(text=st.text(), longest=st.sampled_from([15, 64]))
@QUICK
def test_job_names_are_plain(text: str, longest: int) -> None:
    name = job_name(text, longest)
    assert 1 <= len(name) <= longest
    assert name.isascii()
    assert name[0].isalpha()
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def test_good_names_stay() -> None:
    assert job_name("double_well-2.d", 64) == "double_well-2.d"
    assert plain("--partition", "gpu,long") == "gpu,long"
    assert memory("16g") == memory("16GB") == "16G"


@pytest.mark.parametrize("word", ["", "a b", "a;b", "$(x)", "a\n", "--nodes=99", "a'b", "#x"])
def test_what_the_scheduler_reads_must_be_plain(word: str) -> None:
    with pytest.raises(BadUsage, match="--account"):
        plain("--account", word)
    with pytest.raises(BadUsage, match="write for example 16G"):
        memory(word)
