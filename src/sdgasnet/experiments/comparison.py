"""Compare runs picture by picture: what the paired intervals are computed from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdgasnet.config.loading import load_recipe
from sdgasnet.data.index import load_dataset, reorder_classes, require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import DataError
from sdgasnet.evaluation.bootstrap import (
    Interval,
    SampledPrecision,
    compute_paired_interval,
    draw_pictures,
    match_classes,
    sample_average_precision,
)
from sdgasnet.evaluation.detections_file import read_detections

LabelledNames = tuple[tuple[str, tuple[tuple[str, tuple[float, ...], bool], ...]], ...]
"""Names of pictures, classes and boxes in them, and whether these are crowds: where they are the same, runs have
pairs, whatever they were trained on."""


class Comparison:
    """Resampled figures of runs; each data set is read and each run resampled once.

    Args:
        data: Data set to take instead of the one that a run's recipe names, for runs that were made elsewhere.
    """

    def __init__(self, data: str | None) -> None:
        self._data = data
        self._sets: dict[tuple[str, str], DatasetIndex] = {}
        self._samples: dict[Path, tuple[LabelledNames, SampledPrecision]] = {}

    def intervals(self, pairs: Sequence[tuple[Path, Path]]) -> dict[str, Interval | None]:
        """Intervals of the mean differences of AP and AP50.

        Args:
            pairs: Run folders of variant and baseline, a seed each.

        Returns:
            ``"AP"`` and ``"AP50"`` -> interval.

        Raises:
            DataError: The data set or the detections of a run are not there, or the pictures are not the same.
        """
        samples = [[self._sample(path) for path in pair] for pair in pairs]
        pictures = {identity for pair in samples for identity, _ in pair}
        if len(pictures) > 1:
            raise DataError("The runs were measured on different pictures; no interval without pairs.")
        return {
            "AP": compute_paired_interval(
                [one.AP for (_, one), _ in samples], [two.AP for _, (_, two) in samples]
            ),
            "AP50": compute_paired_interval(
                [one.AP50 for (_, one), _ in samples], [two.AP50 for _, (_, two) in samples]
            ),
        }

    def _sample(self, path: Path) -> tuple[LabelledNames, SampledPrecision]:
        """What pictures a run was measured on, and its figures on the resamples of them."""
        if path not in self._samples:
            self._samples[path] = self._compute(path)
        return self._samples[path]

    def _compute(self, path: Path) -> tuple[LabelledNames, SampledPrecision]:
        found = read_detections(path / "detections.json")
        result: dict[str, Any] = json.loads((path / "result.json").read_text(encoding="utf-8"))
        recipe = load_recipe(path / "recipe.yaml")
        index = self._find_data(path, str(recipe.data.path), recipe.data.format, result.get("data_hash"))
        if sorted(index.class_names) != sorted(found.class_names):
            raise DataError(f"{path} knows other classes than {index.root}; no interval.")
        records = require_split(reorder_classes(index, found.class_names), str(result["split"]))
        if {record.name for record in records} != found.pictures.keys():
            raise DataError(f"{path / 'detections.json'} holds other pictures than {index.root}; no interval.")
        classes = match_classes(
            [found.pictures[record.name] for record in records],
            [record.objects for record in records],
            len(found.class_names),
        )
        sampled = sample_average_precision(classes, draw_pictures(len(records)))
        names = found.class_names
        labelled = (
            (one.name, tuple((names[thing.label], thing.box_xyxy, thing.crowd) for thing in one.objects))
            for one in records
        )
        return tuple(labelled), sampled

    def _find_data(self, path: Path, recorded: str, form: Any, content_hash: object) -> DatasetIndex:
        """The data set of a run, where it is the same as when the run was measured."""
        wanted = [*([self._data] if self._data is not None else []), recorded]
        for folder in wanted:
            if (folder, form) not in self._sets and Path(folder).exists():
                self._sets[folder, form] = load_dataset(Path(folder), form)
            index = self._sets.get((folder, form))
            if index is not None and content_hash in (None, index.content_hash):
                return index
        raise DataError(
            f"The data set of {path.name} is not at {' or '.join(wanted)} as it was measured; no interval. "
            "Say where it is with --data FOLDER."
        )
