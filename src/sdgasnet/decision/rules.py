"""Which detections make a picture NG: a small, strict YAML, and a part of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from sdgasnet.config.schema import Fraction, NonNegativeFloat, PositiveFloat, Section

Polygon = Annotated[tuple[tuple[float, float], ...], Field(min_length=3)]
"""Corners (x, y) in pixels of the source picture, in order; closed by itself."""


class ClassRule(Section):
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


class DecisionRules(Section):
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
    part_pattern: str | None = None
    """Regular expression, searched for in the file name; pictures with an equal first capture group (or match) are
    one part, which is NG if one of them is. None: every picture is a part."""

    def rule_of(self, class_name: str) -> ClassRule:
        """The rule of a class."""
        return self.classes.get(class_name, self.default)

    def with_thresholds(self, thresholds: Mapping[str, float]) -> DecisionRules:
        """The same rules with other score thresholds.

        Args:
            thresholds: Class name -> threshold; classes that are not named keep theirs.
        """
        changed = {
            name: self.rule_of(name).model_copy(update={"score_threshold": value})
            for name, value in thresholds.items()
        }
        return self.model_copy(update={"classes": {**self.classes, **changed}})
