"""Verdicts of parts that several pictures show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.verdict import Verdict


class PartVerdict(NamedTuple):
    """OK or NG of a part.

    Attributes:
        part: Its name.
        verdict: ``"OK"`` or ``"NG"``.
        pictures: How many show it.
        reasons: In words; with the picture's name where the part is not named by it.
    """

    part: str
    verdict: str
    pictures: int
    reasons: tuple[str, ...]


class PartTally:
    """A part is NG if one of its pictures is; parts are known once all of their pictures are.

    Args:
        rules: They say which pictures are one part.

    Examples:
        >>> from sdgasnet.decision.verdict import UNREADABLE
        >>> tally = PartTally(DecisionRules(part_pattern=r"^\\d+"))
        >>> tally.add("7_left.png", UNREADABLE)
        >>> list(tally)
        [PartVerdict(part='7', verdict='NG', pictures=1, reasons=("7_left.png: can't be read",))]
    """

    def __init__(self, rules: DecisionRules) -> None:
        self._rules = rules
        self._pictures: Counter[str] = Counter()
        self._reasons: dict[str, list[str]] = {}

    def add(self, picture: str, verdict: Verdict) -> None:
        """Take in one more picture.

        Args:
            picture: Path or name of its file.
            verdict: What was decided.

        Raises:
            ConfigError: It can't be said which part the picture shows.
        """
        part = self._rules.part_of(picture)
        self._pictures[part] += 1
        if verdict.ng:
            told = [reason if part == picture else f"{picture}: {reason}" for reason in verdict.reasons]
            self._reasons.setdefault(part, []).extend(told)

    def __iter__(self) -> Iterator[PartVerdict]:
        """All parts in the order in which they came."""
        for part, pictures in self._pictures.items():
            verdict = "NG" if part in self._reasons else "OK"
            yield PartVerdict(part, verdict, pictures, tuple(self._reasons.get(part, ())))

    @property
    def grouped(self) -> bool:
        """Whether a part may have several pictures."""
        return self._rules.part_pattern is not None

    @property
    def ng(self) -> int:
        """How many parts are NG."""
        return len(self._reasons)

    @property
    def ok(self) -> int:
        """How many parts are OK."""
        return len(self._pictures) - self.ng
