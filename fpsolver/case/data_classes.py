"""Words in a column of a CSV file as numbers: classes."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

from fpsolver.case.ledger import Ledger
from fpsolver.case.suggest import instead, listed
from fpsolver.case.wording import printable, shown

MOST_WORDS = 1000  # remembered, for messages

Classes = Mapping[str, Mapping[str, float]]
"""Name in expressions -> word in the file -> number."""


def read_classes(given: Mapping[str, object], columns: Mapping[str, str], ledger: Ledger) -> Classes:
    """``data.classes``, looked through; what is wrong is left out after it was noted."""
    found: dict[str, dict[str, float]] = {}
    for name, words in given.items():
        path = ("data", "classes", name)
        if name not in columns:
            ledger.add(path, "there is no such name in columns", instead(name, columns))
        elif not isinstance(words, dict) or not words:
            ledger.add(
                path, f"{shown(words)} is not a table of words", f"write {name} = {{ setosa = 0, versicolor = 1 }}"
            )
        else:
            found[name] = _numbers(words, path, ledger)
    return found


def _numbers(words: Mapping[str, object], path: tuple[str, ...], ledger: Ledger) -> dict[str, float]:
    numbers = {}
    for word, number in words.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e100:
            ledger.add((*path, word), f"{shown(number)} is not a number", "write a number such as 0 or 1")
        else:
            numbers[word] = float(number)
    return numbers


class ClassColumn:
    """A column of words that stand for numbers."""

    def __init__(self, name: str, index: int, words: Mapping[str, float], file: str) -> None:
        self.name = name
        self.numbers = array("d")
        self._index = index
        self._words = words
        self._file = file
        self._seen: dict[str, None] = {}

    def keeps(self, row: list[str]) -> bool:
        """Whether a row is of one of the classes."""
        word = self._word(row)
        if len(self._seen) < MOST_WORDS:
            self._seen[word] = None
        return word in self._words

    def take(self, line: int, row: list[str], ledger: Ledger) -> None:
        """The number of the word in a row that is kept."""
        del line, ledger
        self.numbers.append(self._words[self._word(row)])

    def sound(self, ledger: Ledger) -> bool:
        """Whether all words occur."""
        missing = [word for word in self._words if word not in self._seen]
        for word in missing:
            wrong = f'{self._file} has no "{printable(word, 60)}" in this column'
            others = [printable(other, 60) for other in self._seen if other not in self._words]
            write = instead(word, others) if others else f"the words are {listed(self._seen)}"
            ledger.add(("data", "classes", self.name, word), wrong, write)
        return not missing

    def _word(self, row: list[str]) -> str:
        return row[self._index].strip() if self._index < len(row) else ""
