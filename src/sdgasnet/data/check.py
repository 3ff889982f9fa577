"""The data check: what is wrong or odd in a labelled data set."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdgasnet import __version__
from sdgasnet.data.check_records import check_identical, check_near_duplicates, check_record
from sdgasnet.data.check_set import check_set
from sdgasnet.data.near_duplicates import find_near_duplicates, group_near_duplicates
from sdgasnet.data.picture_facts import PictureFacts, examine_picture
from sdgasnet.data.records import DatasetIndex, Finding
from sdgasnet.data.statistics import Statistics, compute_statistics
from sdgasnet.errors import DataError, ImageError

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""
SEVERITIES = ("error", "warning", "note")
SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the check found.

    Attributes:
        findings: Most severe first, then in the order they were met.
        statistics: Numbers over the set.
        facts: What the check saw of each readable picture, by file.
    """

    findings: tuple[Finding, ...]
    statistics: Statistics
    facts: Mapping[Path, PictureFacts]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that must be mended before training."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def to_json(self) -> dict[str, Any]:
        """Findings and statistics as plain lists, mappings, numbers and texts."""
        return {
            "findings": [dataclasses.asdict(finding) for finding in self.findings],
            "statistics": dataclasses.asdict(self.statistics),
        }


def check_dataset(
    index: DatasetIndex, progress: Progress | None = None, near_duplicates: bool = False
) -> CheckReport:
    """Look at every picture and every label of a data set.

    Severity ``error`` is what makes training or its measurement wrong: pictures or labels that can't be taken,
    boxes that are empty or over a pixel outside, a picture in two splits. ``warning`` is what a person should
    look at: boxes or pictures that stand twice, tiny boxes, annotations without picture. ``note`` is a fact
    worth knowing.

    Args:
        index: The data set; what its reader noticed is part of the report.
        progress: Called after every picture.
        near_duplicates: Look for pictures of the same piece of surface as well, which takes a second reading;
            ``progress`` starts anew for it. Across splits they are errors.

    Returns:
        Findings and statistics.
    """
    findings = list(index.findings)
    records = [record for members in index.splits.values() for record in members]
    facts: dict[Path, PictureFacts] = {}
    for number, record in enumerate(records, start=1):
        try:
            facts[record.path] = facts.get(record.path) or examine_picture(record.path)
        except ImageError as error:
            findings.append(Finding("error", "unreadable-picture", record.name, str(error)))
        else:
            findings += check_record(record, index.class_names, facts[record.path].size)
        if progress is not None:
            progress(number, len(records))
    findings += check_identical(index, facts)
    if near_duplicates:
        members = [(split, r) for split, chosen in index.splits.items() for r in chosen if r.path in facts]
        pairs = find_near_duplicates([record.path for _, record in members], progress)
        findings += check_near_duplicates(members, group_near_duplicates(pairs, len(members)), facts)
    statistics = compute_statistics(index, facts)
    findings += check_set(index, facts, statistics)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return CheckReport(tuple(findings), statistics, facts)


def require_clean(index: DatasetIndex, passed_folder: Path, progress: Progress | None = None) -> None:
    """Refuse a data set with findings of severity error; one that passed before is not checked again.

    Args:
        index: The data set.
        passed_folder: Where it is noted that a set passed, by its content.
        progress: As for :func:`check_dataset`.

    Raises:
        DataError: There are errors; the message lists the first of them.
    """
    passed = passed_folder / f"{_fingerprint(index)}.passed"
    if passed.is_file():
        return
    errors = check_dataset(index, progress).errors
    if errors:
        shown = "".join(f"\n  {error.where}: {error.message}" for error in errors[:SHOWN_ERRORS])
        raise DataError(
            f"{index.root} has {len(errors)} errors:{shown}\n"
            f"See all of them with: sdgasnet data check {index.root}"
        )
    try:
        passed_folder.mkdir(parents=True, exist_ok=True)
        passed.touch()
    except OSError:
        return  # Without a place for the note the next run checks again, which costs seconds and is no error.


def _fingerprint(index: DatasetIndex) -> str:
    """What the outcome depends on: contents, what the reader said, sizes stated, and the checking code."""
    sizes = [record.annotated_size for records in index.splits.values() for record in records]
    text = repr((__version__, index.content_hash, index.findings, sizes))
    return hashlib.sha256(text.encode()).hexdigest()
