"""Which template belongs to a picture, and data sets of pairs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.data.write import write_dataset
from sdgasnet.errors import ConfigError, DataError, ImageError, OutputError
from sdgasnet.imaging.image import Image, find_images
from sdgasnet.imaging.template import read_pair

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Templates:
    """Templates by the place that they show.

    Attributes:
        by_place: Template files by place; by their name without suffix where no pattern says what the place is.
        pattern: Regular expression whose first group, in a name without suffix, is the place; None: a picture's
            template is that of its name, or of the longest name that its own begins with.
        single: The template of all pictures, if there is one for all.
    """

    by_place: Mapping[str, Path]
    pattern: str | None = None
    single: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return list(self.by_place.values()) if self.single is None else [self.single]

    def of(self, picture: Path) -> Path:
        """The template of a picture.

        Raises:
            ImageError: There is none.

        Examples:
            >>> known = Templates({"left": Path("good/left.png"), "left_2": Path("good/left_2.png")})
            >>> known.of(Path("line/left_2_0815.png")).name
            'left_2.png'
        """
        template = self.single or self._of_place(picture)
        if template.resolve() == picture.resolve():
            raise ImageError(
                f"Picture {picture} would be its own template, and whatever is on it would be good. Keep them "
                "in a folder of their own."
            )
        return template

    def _of_place(self, picture: Path) -> Path:
        if self.pattern is None:
            found = max((name for name in self.by_place if begins_with(picture.stem, name)), key=len, default=None)
        else:
            found = find_place(self.pattern, picture.stem)
        template = None if found is None else self.by_place.get(found)
        if template is None:
            raise ImageError(
                f"Picture {picture} has no template: {self._why(found)}. Put it there, or say with --place which "
                r"part of a name is the place, as in --place '^(\d+)_'."
            )
        return template

    def _why(self, place: str | None) -> str:
        some = ", ".join(path.name for path in list(self.by_place.values())[:3])
        if self.pattern is None:
            return f"its name begins with none of the {len(self.by_place)} names of templates ({some})"
        if place is None:
            return f"pattern {self.pattern!r} is not in its name"
        return f"none of the {len(self.by_place)} templates ({some}) is of place {place!r}"


@dataclass(frozen=True)
class Pairing:
    """What became of the pictures of a data set.

    Attributes:
        counts: Pictures (paired, in all) of each split.
        without: Why pictures have no template, one sentence a picture.
        unfit: Why pictures do not lie on their templates, or can't be read.
    """

    counts: Mapping[str, tuple[int, int]]
    without: tuple[str, ...]
    unfit: tuple[str, ...]


def begins_with(name: str, place: str) -> bool:
    """Whether a name is that of a place, or goes on behind it with something else than a letter or digit.

    Examples:
        >>> begins_with("left1_0815", "left1"), begins_with("left10", "left1")
        (True, False)
    """
    return name.startswith(place) and not name[len(place) : len(place) + 1].isalnum()


def find_templates(path: Path, pattern: str | None = None) -> Templates:
    """The templates in a folder, or the one that a file is.

    Args:
        path: Folder, searched to its depth, or picture file.
        pattern: As in :class:`Templates`; not for a file.

    Raises:
        ConfigError: The pattern is none, has no group, or comes with a single template.
        DataError: There are no pictures, a name lacks the pattern, or two show the same place.
    """
    if pattern is not None:
        require_pattern(pattern)
    if path.is_file():
        if pattern is not None:
            raise ConfigError(f"--place tells templates of a folder apart; {path} is one for all pictures.")
        return Templates({}, None, path)
    files = find_images(path)
    if not files:
        found = "holds no pictures" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {found}; expected a template, or a folder of them.")
    by_place: dict[str, Path] = {}
    for file in files:
        place = file.stem if pattern is None else find_place(pattern, file.stem)
        if place is None:
            raise DataError(
                f"The pattern {pattern!r} is not in the name of template {file}. Change it, or the name."
            )
        if place in by_place:
            raise DataError(
                f"Templates {by_place[place]} and {file} are both of place {place!r}. Keep one of them."
            )
        by_place[place] = file
    return Templates(by_place, pattern)


def require_pattern(pattern: str) -> None:
    """Refuse what can't name a place.

    Raises:
        ConfigError: No regular expression, or one without a group.
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ConfigError(f"--place {pattern!r} is no regular expression: {error}.") from None
    if groups == 0:
        raise ConfigError(
            rf"--place {pattern!r} has no group in parentheses, which is the place; write it as '^(\d+)_'."
        )


def find_place(pattern: str, name: str) -> str | None:
    r"""The place in a name; None if the pattern is not in it.

    Examples:
        >>> find_place(r"^(\d+)_", "00041_test")
        '00041'
    """
    found = re.search(pattern, name)
    return None if found is None else found.group(1)


def write_pairs(index: DatasetIndex, templates: Templates, out: Path, drop: bool, progress: Progress) -> Pairing:
    """Write a data set of pairs: the same labels, each picture beside its template, as PNG.

    Args:
        index: The set.
        templates: From :func:`find_templates`.
        out: New folder.
        drop: Leave out pictures that can't be paired.
        progress: Called with (pictures done, pictures in all).

    Returns:
        What became of the pictures.

    Raises:
        DataError: Pictures can't be paired and are not to be left out, or none of a split can be.
        OutputError: ``out`` holds something, or can't be written.
    """
    total, done = sum(map(len, index.splits.values())), 0
    splits: dict[str, tuple[ImageRecord, ...]] = {}
    without: list[str] = []
    unfit: list[str] = []
    with TemporaryDirectory() as folder:
        for number, (split, records) in enumerate(index.splits.items()):
            paired = []
            for position, record in enumerate(records):
                done += 1
                progress(done, total)
                file = Path(folder, str(number), str(position), f"{record.path.stem}.png")
                reasons = without
                try:
                    template = templates.of(record.path)
                    reasons = unfit
                    write_pair(file, read_pair(record.path, template))
                except ImageError as error:
                    reasons.append(str(error))
                else:
                    paired.append(replace(record, path=file))
            splits[split] = tuple(paired)
        if failed := [*unfit, *without]:
            emptied = [split for split, records in index.splits.items() if records and not splits[split]]
            _require_enough(failed, total, emptied, drop)
        write_dataset(replace(index, splits=splits), out, index.format)
    counts = {split: (len(splits[split]), len(records)) for split, records in index.splits.items()}
    return Pairing(counts, tuple(without), tuple(unfit))


def write_pair(file: Path, pair: Image) -> None:
    """Write a pair as PNG, folders included.

    Raises:
        OutputError: It can't be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_pair(pair))
    except OSError as error:
        raise OutputError(f"{file} can't be written: {error.strerror}. Free space.") from None


def encode_pair(pair: Image) -> bytes:
    """The PNG file of a pair."""
    return cv2.imencode(".png", pair[:, :, ::-1])[1].tobytes()


def pair_hashes(files: Sequence[Path], templates: Templates) -> list[str]:
    """SHA-256, hexadecimal, of the files that pairs would be stored in; empty where there is no pair.

    So pictures are known again of which pairs were trained on, as long as OpenCV is the same.
    """
    hashes = []
    for file in files:
        try:
            hashes.append(hashlib.sha256(encode_pair(read_pair(file, templates.of(file)))).hexdigest())
        except ImageError:
            hashes.append("")
    return hashes


def _require_enough(failed: Sequence[str], total: int, emptied: Sequence[str], drop: bool) -> None:
    """Stop where pictures can't be paired, or where leaving them out would leave nothing of a split."""
    if drop and not emptied:
        return
    advice = f"Nothing would be left of '{emptied[0]}'." if drop else "Mend that, or leave such out: --drop."
    raise DataError(f"{len(failed)} of {total} pictures can't be paired. The first: {failed[0]} {advice}")
