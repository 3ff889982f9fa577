"""A labelled data set from pictures of good boards, alone or added to one that exists."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.data.surfaces.planting import (
    MOST_BETWEEN,
    PLANTED_DEFECTS,
    Planting,
    find_tones,
    plant_defects,
    share_between,
)
from sdgasnet.data.write import require_new, write_dataset
from sdgasnet.errors import ConfigError, DataError, OutputError
from sdgasnet.imaging.file_structure import jpeg_quality
from sdgasnet.imaging.image import Image, full_scale, read_image

Progress = Callable[[int, int], None]
ENCODING_SAMPLES = 20


@dataclass(frozen=True)
class Encoding:
    """How a picture is stored.

    Attributes:
        jpeg_quality: As OpenCV counts it, 1 to 100; None for PNG.
    """

    jpeg_quality: int | None

    @property
    def suffix(self) -> str:
        """Of file names."""
        return ".png" if self.jpeg_quality is None else ".jpg"

    def encode(self, image: Image) -> bytes:
        """The bytes of the file."""
        options = [] if self.jpeg_quality is None else [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality]
        return cv2.imencode(self.suffix, image, options)[1].tobytes()


def find_encoding(paths: Sequence[Path], tones: tuple[int, int]) -> Encoding:
    """How pictures are stored: PNG, or JPEG of their quality.

    Compression leaves traces all over a picture. Where planted pictures had others than those of the set that they
    join, a network would learn to tell the two apart, and to find defects of each kind in its own pictures alone.

    Args:
        paths: Picture files that planted ones will lie beside; some of them are looked at.
        tones: Of the good pictures, from :func:`measure_tones`.

    Raises:
        DataError: The good pictures have 16 bits, and the others are JPEG.
    """
    looked_at = paths[:: max(1, len(paths) // ENCODING_SAMPLES)]
    qualities = [value for path in looked_at if (value := jpeg_quality(path.read_bytes())) is not None]
    if 2 * len(qualities) <= len(looked_at):
        return Encoding(None)
    if tones[1] > full_scale(np.uint8):
        raise DataError(
            f"The good pictures have 16 bits, and those that they join are JPEG of 8 (such as {paths[0]}). "
            "Store the good ones as the camera's other pictures are stored."
        )
    return Encoding(sorted(qualities)[len(qualities) // 2])


@dataclass(frozen=True)
class Planter:
    """Makes planted pictures of good ones.

    Attributes:
        planting: Kinds of defect and their labels.
        tones: From :func:`measure_tones`.
        encoding: How the pictures are stored.
        copies: Pictures made of each good one, each with other defects.
        defects: Least and greatest number of defects in a picture.
        good_share: Share of the pictures that stay good.
        seed: Of everything that is random; with it and the content of a picture, what is planted is fixed.
    """

    planting: Planting
    tones: tuple[int, int]
    encoding: Encoding
    copies: int
    defects: tuple[int, int]
    good_share: float
    seed: int

    def plant(self, path: Path, folder: Path) -> list[ImageRecord]:
        """Write the copies of one good picture.

        Raises:
            ImageError: It can't be read.
        """
        image = read_image(path, 1)
        content = zlib.crc32(image.tobytes())
        records = []
        for copy in range(self.copies):
            rng = np.random.default_rng([self.seed, content, copy])
            count = 0 if rng.random() < self.good_share else int(rng.integers(*self.defects, endpoint=True))
            planted, objects = plant_defects(image, count, self.tones, self.planting, rng)
            name = f"{path.stem}_planted{copy + 1}{self.encoding.suffix}"
            (folder / name).write_bytes(self.encoding.encode(planted))
            records.append(ImageRecord(folder / name, f"planted/{folder.name}/{name}", objects))
        return records


def parse_kinds(text: str) -> dict[str, str]:
    """Kinds of defect and the classes they are labelled as, from ``kind,kind=class,...``.

    Raises:
        ConfigError: A kind is unknown or stands there twice.

    Examples:
        >>> parse_kinds("open,mouse_bite=mousebite")
        {'open': 'open', 'mouse_bite': 'mousebite'}
    """
    pairs = [(part.partition("=")[0].strip(), part.partition("=")[2].strip()) for part in text.split(",")]
    kinds = [kind for kind, _ in pairs]
    wrong = [kind for kind in kinds if kind not in PLANTED_DEFECTS or kinds.count(kind) > 1]
    if wrong:
        raise ConfigError(
            f"Kinds of defect '{text}': '{wrong[0]}' is unknown or stands there twice. "
            f"Name some of {', '.join(PLANTED_DEFECTS)}, each once, with =CLASS behind where the data set calls "
            "it otherwise."
        )
    return {kind: name or kind for kind, name in pairs}


def require_classes(names: Sequence[str], index: DatasetIndex) -> None:
    """Refuse classes that a data set doesn't know.

    Raises:
        ConfigError: Names them and what the set has.
    """
    unknown = [name for name in names if name not in index.class_names]
    if unknown:
        raise ConfigError(
            f"{index.root} has no class {', '.join(unknown)}; it has {', '.join(index.class_names)}. "
            "Say what it calls each kind of defect (mouse_bite=mousebite), and leave out kinds it doesn't know."
        )


def measure_tones(paths: Sequence[Path], progress: Progress) -> tuple[int, int]:
    """The dark and the light tone of good pictures, which all have them in common.

    Args:
        paths: Picture files, at least one.
        progress: Called with pictures done and their number.

    Raises:
        DataError: They have other tones than two, or other depths; the message names the picture where it is one.
        ImageError: A picture can't be read.
    """
    counts = []
    for done, path in enumerate(paths, start=1):
        counts.append(_count_values(read_image(path, 1)))
        if len(counts[-1]) != len(counts[0]):
            raise DataError(f"{paths[0]} and {path} differ in depth: 8 and 16 bits. Give pictures of one camera.")
        progress(done, len(paths))
    tones = find_tones(np.sum(counts, axis=0))
    for path, one in zip(paths, counts, strict=True):
        share = share_between(one, tones)
        if share > MOST_BETWEEN:
            raise DataError(
                f"{path} is not of the two tones {tones[0]} and {tones[1]} that the pictures have together: "
                f"{share:.0%} of its pixels lie between them (at most {MOST_BETWEEN:.0%}). Leave it out."
            )
    return tones


def write_planted(
    out: Path,
    good: Mapping[str, Sequence[Path]],
    planter: Planter,
    into: DatasetIndex,
    progress: Progress,
) -> None:
    """Write a data set with planted pictures.

    Args:
        out: Folder that does not exist or is empty; nothing is there before everything is.
        good: Split name -> good pictures that planted ones are made of.
        planter: Makes them.
        into: Data set that they are added to, and whose format is written; its pictures are copied. May be empty.
        progress: Called with pictures done and their number.

    Raises:
        OutputError: ``out`` holds something, or can't be written.
        ImageError: A picture can't be read.
    """
    target = require_new(out)
    planted = planter.copies * sum(map(len, good.values()))
    total = 2 * planted + sum(map(len, into.splits.values()))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.planted-") as folder:
            splits, done = dict(into.splits), 0
            for split, paths in good.items():
                records = list(splits.get(split, ()))
                for path in paths:
                    place = Path(folder) / str(done)
                    place.mkdir()
                    records += planter.plant(path, place)
                    done += planter.copies
                    progress(done, total)
                splits[split] = tuple(records)
            index = replace(into, splits=splits)
            write_dataset(index, out, into.format, lambda copied, _: progress(planted + copied, total))
    except OSError as error:
        raise OutputError(f"{out} can't be written: {error.strerror or error}.") from None


def _count_values(image: Image) -> NDArray[np.int64]:
    return np.bincount(image.ravel(), minlength=full_scale(image.dtype) + 1)
