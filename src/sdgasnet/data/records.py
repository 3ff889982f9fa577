"""What a labelled data set is, whatever format it was stored in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning", "note"]
FARTHEST = 1e9
"""Pixels from the origin up to which a coordinate is taken for one; beyond, sums of them lose the digits."""


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One labelled object.

    Attributes:
        label: Index into the data set's class names.
        box_xyxy: x1 y1 x2 y2 in continuous pixels: (0, 0) is the upper left corner of the upper
            left pixel, so a box around the whole picture is (0, 0, width, height). As stored in the
            annotation, converted but not clipped; finite, and no farther than :data:`FARTHEST`.
        difficult: Marked difficult (VOC); kept in training and measured.
        crowd: Region of many objects (COCO ``iscrowd``); ignored in training and measuring.
    """

    label: int
    box_xyxy: tuple[float, float, float, float]
    difficult: bool = False
    crowd: bool = False

    def __post_init__(self) -> None:
        # Written so that NaN fails.
        if not all(abs(value) <= FARTHEST for value in self.box_xyxy):
            raise ValueError(f"box {self.box_xyxy} is not finite, or over {FARTHEST:g} px away")


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One picture and its labels.

    Attributes:
        path: The picture file.
        name: Path below the data set's folder, with ``/``; unique in the index.
        objects: Labelled objects; empty = background.
        annotated_size: (height, width) that the annotation states, if it does.
        annotation: File the labels come from; None if there is none.
        annotated_channels: Number of channels that the annotation states (VOC ``depth``), if it does.
    """

    path: Path
    name: str
    objects: tuple[ObjectRecord, ...]
    annotated_size: tuple[int, int] | None = None
    annotation: Path | None = None
    annotated_channels: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the data check or a reader noticed.

    Attributes:
        severity: ``error`` must be mended before training, ``warning`` should be looked at, ``note``
            is a fact worth knowing.
        kind: Short stable name, for example ``"duplicate-box"``.
        where: Picture or annotation it is about, as a path below the data set's folder.
        message: What was found and what was expected.
        others: Names of other pictures that it is about.
    """

    severity: Severity
    kind: str
    where: str
    message: str
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The message, with the place before it where it doesn't name it itself."""
        return self.message if self.where == "." or self.where in self.message else f"{self.where}: {self.message}"


@dataclass(frozen=True, slots=True)
class DatasetIndex:
    """All pictures and labels of a data set, read once.

    Attributes:
        root: Folder of the data set.
        format: Format it is stored in.
        class_names: Class names; a label is an index into them.
        splits: Pictures by split name (``train``, ``val``, ...), in file order of the data set.
        findings: What the reader could not take as it was (unknown class, unreadable annotation, ...).
        content_hash: SHA-256 over class names, names, labels and picture bytes, in hex; equal content
            has an equal hash wherever the folder lies.
    """

    root: Path
    format: Literal["voc", "coco", "yolo"]
    class_names: tuple[str, ...]
    splits: Mapping[str, tuple[ImageRecord, ...]]
    content_hash: str
    findings: tuple[Finding, ...] = field(default=())
