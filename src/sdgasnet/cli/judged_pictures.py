"""Pictures that decisions are chosen on or judged by: labelled ones, with good ones from a folder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sdgasnet.cli.opening import known_training_pictures
from sdgasnet.cli.progress import say
from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import DataError, OutputError
from sdgasnet.imaging.image import find_images

GoodOption = Annotated[
    Path | None, typer.Option("--good", help="Folder of good pictures, beside those of the data set.")
]


def list_good(folder: Path | None) -> tuple[ImageRecord, ...]:
    """Pictures of good parts, named after the folder.

    Args:
        folder: Searched to its depth; None gives none.

    Raises:
        DataError: It holds no picture.
    """
    if folder is None:
        return ()
    if not folder.is_dir() or not (found := find_images(folder)):
        raise DataError(f"{folder} is no folder of good pictures: expected one that holds some.")
    return tuple(ImageRecord(path, f"good/{path.relative_to(folder).as_posix()}", ()) for path in found)


def join_pictures(
    labelled: Sequence[ImageRecord], good: Sequence[ImageRecord], out: Path
) -> tuple[ImageRecord, ...]:
    """Labelled pictures, then good ones.

    Args:
        labelled: Of a split.
        good: From :func:`list_good`.
        out: What is to be written.

    Raises:
        DataError: Some are in both.
        OutputError: ``out`` is one of them.
    """
    records = (*labelled, *good)
    if twice := {one.path.resolve() for one in labelled} & {one.path.resolve() for one in good}:
        raise DataError(
            f"{len(twice)} pictures are labelled and in the folder of good ones, the first is {min(twice)}. They "
            "would count twice; take them out of one."
        )
    if out.resolve() in {record.path.resolve() for record in records}:
        raise OutputError(f"{out} is one of the pictures to read; it would be overwritten. Choose another --out.")
    return records


def refuse_training_pictures(model: Path, records: Sequence[ImageRecord], hashes: Sequence[str]) -> bool:
    """Whether it could be checked that no picture was in training.

    Args:
        model: Bundle, model file or run.
        records: The pictures.
        hashes: SHA-256 of each.

    Raises:
        DataError: Some were.
    """
    known = known_training_pictures(model)
    if known is None:
        say(f"{model} does not know its training pictures: make sure yourself that none of these was among them")
        return False
    trained = [record.name for record, digest in zip(records, hashes, strict=True) if digest in known]
    if trained:
        raise DataError(
            f"{len(trained)} of {len(records)} pictures were in the training of {model}, the first is "
            f"{trained[0]}. The model knows them by heart: what is found in them says nothing of others. Keep "
            "a split of its own: sdgasnet data split --parts train=0.7,val=0.1,calibration=0.2"
        )
    return True
