"""Which detections make a picture NG: a small, strict YAML, and a part of a bundle."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, ConfigDict, Field

from sdgasnet.config.schema import Fraction, NonNegativeFloat, PositiveFloat, Section
from sdgasnet.errors import ConfigError

LEAST_AREA = 1.0
"""Of a polygon, in square pixels: the centre of no detection lies in less but by chance."""


def _has_area(corners: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    x, y = np.array(corners, np.float64).T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    if not area >= LEAST_AREA:
        raise ValueError(
            f"the polygon covers {area:g} square pixels; expected corners in their order around "
            f"{LEAST_AREA:g} square pixel or more"
        )
    return corners


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return text


Polygon = Annotated[tuple[tuple[float, float], ...], Field(min_length=3), AfterValidator(_has_area)]
"""Corners (x, y) in pixels of the source picture, in order; closed by itself."""


class _RuleSection(Section):
    model_config = ConfigDict(allow_inf_nan=False)


class ClassRule(_RuleSection):
    """When detections of one class make a picture NG: more than ``max_count`` of them pass all limits.

    Areas and lengths are those of the box: of a defect that lies aslant they are too large, so that no defect is
    let through for it. Both are in pixels, or in millimetres if the rules have a scale.
    """

    score_threshold: Fraction | None = None
    """Lowest score that counts; None takes the model's own."""
    min_area: NonNegativeFloat = 0.0
    """Width times height of the box, square pixels or square millimetres."""
    min_length: NonNegativeFloat = 0.0
    """Longer side of the box, pixels or millimetres."""
    max_count: Annotated[int, Field(ge=0)] = 0
    """So many in a picture are still OK."""


class DecisionRules(_RuleSection):
    """The whole decision.

    Source:
        Ours [O].
    """

    default: ClassRule = ClassRule()
    """For classes without a rule of their own."""
    classes: Mapping[str, ClassRule] = {}
    """Class name -> its rule, instead of the default as a whole."""
    millimetres_per_pixel: PositiveFloat | None = None
    """Scale of the source pictures; None leaves limits in pixels."""
    regions_of_interest: tuple[Polygon, ...] = ()
    """Only detections whose centre lies in one of them count; none: everywhere."""
    ignored_regions: tuple[Polygon, ...] = ()
    """Detections whose centre lies in one of them don't count."""
    part_pattern: Annotated[str, AfterValidator(_is_pattern)] | None = None
    """Regular expression, searched for in the file name; pictures with an equal first capture group (or match) are
    one part, which is NG if one of them is. None: every picture is a part."""

    def rule_of(self, class_name: str) -> ClassRule:
        """The rule of a class."""
        return self.classes.get(class_name, self.default)

    def score_thresholds(self, class_names: Sequence[str], model_threshold: float) -> NDArray[np.float32]:
        """``(K,)`` float32: the lowest score of each class that counts.

        In float32, as scores are: a threshold that was chosen from a score is reached by this score.

        Args:
            class_names: Names of the labels.
            model_threshold: For classes whose rule has none.
        """
        own = (self.rule_of(name).score_threshold for name in class_names)
        return np.array([model_threshold if value is None else value for value in own], np.float32)

    def part_of(self, picture: str) -> str:
        """The part that a picture shows.

        Args:
            picture: Path or name of its file.

        Returns:
            The first capture group of the pattern in the file name, or the match; without a pattern, ``picture``.

        Raises:
            ConfigError: The pattern is not in the name: guessing could part a defect from its part.

        Examples:
            >>> DecisionRules(part_pattern=r"^(\\w+)_cam").part_of("line2/00041_cam3.png")
            '00041'
        """
        if self.part_pattern is None:
            return picture
        name = PurePath(picture).name
        found = re.search(self.part_pattern, name)
        if found is None:
            raise ConfigError(
                f"part_pattern {self.part_pattern!r} is not in the file name {name!r}, so that nobody knows which "
                "part the picture shows. Change the pattern, or leave the picture out."
            )
        return next(iter(found.groups()), None) or found.group()

    def with_thresholds(self, thresholds: Mapping[str, float]) -> DecisionRules:
        """The same rules with other score thresholds.

        Args:
            thresholds: Class name -> threshold in [0, 1]; classes that are not named keep theirs.

        Raises:
            pydantic.ValidationError: A threshold is out of its range.
        """
        changed = {
            name: ClassRule(**{**self.rule_of(name).model_dump(), "score_threshold": value})
            for name, value in thresholds.items()
        }
        return self.model_copy(update={"classes": {**self.classes, **changed}})
