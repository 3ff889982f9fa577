"""What is exchanged with annotation tools: boxes with class names, and what a person should know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from sdgasnet.data.layout import build_index
from sdgasnet.data.records import DatasetIndex, ImageRecord, ObjectRecord
from sdgasnet.errors import DataError
from sdgasnet.imaging.image import find_images, read_size


@dataclass(frozen=True, slots=True)
class ToolBox:
    """A box on its way to a tool or from it.

    Attributes:
        class_name: Name of its class.
        box_xyxy: x1 y1 x2 y2 in pixels of the picture.
        score: Of a detection or suspicion, in [0, 1].
        remark: What a person should look at.
    """

    class_name: str
    box_xyxy: tuple[float, float, float, float]
    score: float | None = None
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class ToolPicture:
    """A picture and its boxes.

    Attributes:
        name: As the tool knows it: a path with ``/``, or an address.
        size: (height, width) in pixels; None if the tool does not say.
        boxes: Its boxes.
    """

    name: str
    size: tuple[int, int] | None
    boxes: tuple[ToolBox, ...]

    def require_size(self) -> tuple[int, int]:
        """(height, width).

        Raises:
            DataError: It is not known.
        """
        if self.size is None:
            raise DataError(f"The size of {self.name} is not known.")
        return self.size


def describe_labels(records: Sequence[ImageRecord], class_names: Sequence[str]) -> list[ToolPicture]:
    """Pictures with their labels.

    Raises:
        ImageError: A picture can't be read, so its size is not known.
    """
    return [
        ToolPicture(
            record.name,
            record.annotated_size or read_size(record.path),
            tuple(ToolBox(class_names[thing.label], thing.box_xyxy) for thing in record.objects),
        )
        for record in records
    ]


def add_boxes(pictures: Sequence[ToolPicture], more: Mapping[str, Sequence[ToolBox]]) -> list[ToolPicture]:
    """The pictures that have something to look at, with it.

    Args:
        pictures: Pictures with their labels.
        more: Name of a picture -> boxes; one with a remark and the place of a labelled box replaces it.

    Raises:
        DataError: A name is of no picture.
    """
    by_name = {picture.name: picture for picture in pictures}
    strange = next((name for name in more if name not in by_name), None)
    if strange is not None:
        raise DataError(
            f"There are boxes for {strange}, which the data set does not hold. Name a file made from it."
        )
    added = []
    for name, boxes in more.items():
        places = {(box.class_name, box.box_xyxy) for box in boxes}
        kept = [box for box in by_name[name].boxes if (box.class_name, _rounded(box)) not in places]
        added.append(replace(by_name[name], boxes=(*kept, *boxes)))
    return added


def _rounded(box: ToolBox) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(side, 2) for side in box.box_xyxy)
    return x1, y1, x2, y2


def to_dataset(
    pictures: Sequence[ToolPicture], class_names: Sequence[str], images: Path, origin: Path
) -> DatasetIndex:
    """A data set of one split, ``train``, from what a tool says and the picture files.

    Args:
        pictures: What was read.
        class_names: Classes, in order.
        images: Folder with the picture files. A file is found by its path below the folder or, where that is
            unique, by its name; of an address the end counts, and a number that Label Studio put before an
            uploaded file's name does not.
        origin: File that was read, for messages.

    Raises:
        DataError: A picture file is missing, has another size than the tool says, or a class is unknown.
    """
    by_path = {file.relative_to(images).as_posix(): file for file in find_images(images)}
    by_name: dict[str, list[Path]] = {}
    for path in by_path.values():
        by_name.setdefault(path.name, []).append(path)
    label_of = {name: label for label, name in enumerate(class_names)}
    records = []
    for picture in pictures:
        if (file := _find(picture.name, by_path, by_name)) is None:
            raise DataError(f"{origin} names {picture.name}, and {images} holds no such picture, or several.")
        size = read_size(file)
        if picture.size is not None and size != picture.size:
            raise DataError(
                f"{origin} says that {picture.name} has {picture.size[1]}x{picture.size[0]} pixels; {file} has "
                f"{size[1]}x{size[0]}. Name the folder with the pictures that were annotated."
            )
        objects = tuple(ObjectRecord(label_of[box.class_name], box.box_xyxy) for box in picture.boxes)
        records.append(ImageRecord(file, file.relative_to(images).as_posix(), objects, size, origin))
    return build_index(images, "coco", tuple(class_names), {"train": records}, ())


def _find(name: str, by_path: Mapping[str, Path], by_name: Mapping[str, Sequence[Path]]) -> Path | None:
    parts = urlsplit(name)
    path = unquote(parts.query.removeprefix("d=") if parts.query.startswith("d=") else parts.path).lstrip("/")
    for candidate in (name, path):
        # The longest end of the path that is one of a file: a tool may put folders before it.
        pieces = PurePosixPath(candidate).parts
        for start in range(len(pieces)):
            if (found := by_path.get("/".join(pieces[start:]))) is not None:
                return found
    last = PurePosixPath(path).name
    for candidate in (last, last.partition("-")[2]):
        if len(by_name.get(candidate, ())) == 1:
            return by_name[candidate][0]
    return None
