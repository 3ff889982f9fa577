"""Files that ``sdgasnet predict`` writes picture by picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sdgasnet.decision.parts import PartTally
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.verdict import UNREADABLE
from sdgasnet.errors import ImageError
from sdgasnet.imaging.image import Image
from sdgasnet.output import GrowingFile
from sdgasnet.runtime.detector import Inspection
from sdgasnet.runtime.results import CSV_HEADER, to_coco_results, to_csv_rows, to_objects

Outcome = tuple[Image, Inspection] | ImageError
"""What became of one picture."""


class DetectionFiles:
    """JSON, CSV and COCO files that grow picture by picture."""

    def __init__(
        self,
        stack: ExitStack,
        head: dict[str, Any],
        rules: DecisionRules | None,
        json_file: Path | None,
        csv_file: Path | None,
        coco: Path | None,
    ) -> None:
        def opened(path: Path | None) -> GrowingFile | None:
            return None if path is None else stack.enter_context(GrowingFile(path))

        self._class_names = head["class_names"]
        self._rules = rules
        self._json, self._csv, self._coco = opened(json_file), opened(csv_file), opened(coco)
        self._pictures = 0
        self._coco_rows = 0
        if self._json is not None:
            self._json.write(json.dumps(head, indent=1).removesuffix("\n}") + ',\n "pictures": [')
        if self._csv is not None:
            self._csv.write(CSV_HEADER)
        if self._coco is not None:
            self._coco.write("[")

    def add(self, file: str, outcome: Outcome) -> None:
        """One more picture; COCO's ``image_id`` is its number, counted from 1."""
        self._pictures += 1
        if self._json is not None:
            entry = picture_entry(file, outcome, self._class_names, self._rules)
            self._json.write((",\n  " if self._pictures > 1 else "\n  ") + json.dumps(entry))
        if isinstance(outcome, ImageError):
            return
        found = outcome[1].detections
        if self._csv is not None:
            self._csv.write(to_csv_rows(file, found, self._class_names))
        if self._coco is not None:
            for row in to_coco_results(self._pictures, file, found):
                self._coco.write((",\n" if self._coco_rows else "\n") + json.dumps(row))
                self._coco_rows += 1

    def finish(self, parts: PartTally | None) -> None:
        """Write the ends, with the verdicts of parts in the JSON file."""
        if self._json is not None:
            self._json.write("\n ]")
            if parts is not None:
                entries = [json.dumps(part._asdict()) for part in parts] if parts.grouped else []
                if entries:
                    self._json.write(',\n "parts": [\n  ' + ",\n  ".join(entries) + "\n ]")
                self._json.write(f',\n "OK": {parts.ok},\n "NG": {parts.ng}')
            self._json.write("\n}\n")
        if self._coco is not None:
            self._coco.write("\n]\n")


def picture_entry(
    file: str, outcome: Outcome, class_names: Sequence[str], rules: DecisionRules | None
) -> dict[str, Any]:
    """A picture in the JSON file: its size and detections, or its error; with rules also the verdict."""
    if isinstance(outcome, ImageError):
        entry: dict[str, Any] = {"file": file, "error": str(outcome)}
        verdict = UNREADABLE if rules is not None else None
        objects = []
    else:
        found, verdict = outcome[1].detections, outcome[1].verdict
        objects = to_objects(found, class_names)
        entry = {"file": file, "size": list(found.source_size), "detections": objects}
    if rules is not None and verdict is not None:
        entry |= {"part": rules.part_of(file), "verdict": verdict.word, "reasons": list(verdict.reasons)}
        for thing, counts in zip(objects, verdict.counted.tolist(), strict=True):
            thing["counts"] = counts
    return entry
