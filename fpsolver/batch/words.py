"""Words of users on their way into a script: for the shell quoted, for the scheduler plain, or else refused."""

from __future__ import annotations

import re
import shlex
import unicodedata

from fpsolver.errors import BadUsage

# A directive is read by the scheduler's own rules, which differ; such names are read alike by all of them.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,:@+/-]*", re.ASCII)
_MEMORY = re.compile(r"([1-9]\d{0,8})([KMGT])B?", re.ASCII | re.IGNORECASE)


def quoted(word: str) -> str:
    """One word of a shell command, whatever it holds.

    Raises:
        BadUsage: It holds a line break or another control character, or is no text.
    """
    for sign in word:
        if unicodedata.category(sign) in ("Cc", "Cs"):
            raise BadUsage(f"{word!r} holds the sign {sign!r}, which has no place in a job script; write it without")
    return shlex.quote(word)


def plain(option: str, word: str) -> str:
    """A name for the scheduler, such as a partition.

    Raises:
        BadUsage: No partition, account or quality of service has such a name.
    """
    if _PLAIN.fullmatch(word) is None:
        raise BadUsage(f"{option} {word!r}: such names have letters, digits and _ . , : @ + / - only; write it as is")
    return word


def memory(word: str) -> str:
    """Memory with its unit in one letter, ``16G``.

    Raises:
        BadUsage: It is no amount of memory.
    """
    found = _MEMORY.fullmatch(word)
    if found is None:
        raise BadUsage(f"--memory {word!r} is no amount of memory; write for example 16G, for each node")
    return found[1] + found[2].upper()


def job_name(text: str, longest: int) -> str:
    """A name that every scheduler takes: other signs become ``_``, and it begins with a letter."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", text)
    name = name if re.match(r"[A-Za-z]", name) else f"fp_{name.lstrip('_.-')}"
    return name[:longest].rstrip("_.-")
