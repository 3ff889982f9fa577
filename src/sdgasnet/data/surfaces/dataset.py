"""Whole data sets of generated surfaces."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2

from sdgasnet.data.index import Format
from sdgasnet.data.records import DatasetIndex, ImageRecord
from sdgasnet.data.surfaces.canvas import Size
from sdgasnet.data.surfaces.synthesis import CLASS_NAMES, GENERATOR_VERSION, Surface, generate_surface
from sdgasnet.data.write import WRITERS, new_folder

DESCRIPTION_FILE = "synth.json"


def write_surfaces(
    out: Path,
    surface: Surface,
    parts: Mapping[str, int],
    size: Size,
    seed: int,
    good_share: float,
    format: Format,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a labelled data set of generated pictures.

    Pictures are numbered through all parts, so that none stands in two of them.

    Args:
        out: Folder that does not exist or is empty; nothing is there before everything is.
        surface: Kind of surface.
        parts: Split name -> number of pictures.
        size: (height, width) of the pictures.
        seed: Number of the series.
        good_share: Share of pictures without a defect.
        format: Format of the labels.
        progress: Called with pictures done and their number.

    Raises:
        OutputError: ``out`` holds something, or can't be written.
    """
    with new_folder(out) as folder:
        total, number = sum(parts.values()), 0
        splits: dict[str, tuple[ImageRecord, ...]] = {}
        for split, count in parts.items():
            place = f"images/{split}" if format == "yolo" else "images"
            (folder / place).mkdir(parents=True, exist_ok=True)
            records = []
            for _ in range(count):
                picture = generate_surface(surface, size, seed, number, good_share)
                name = f"{place}/{surface}_{number:06d}.png"
                (folder / name).write_bytes(cv2.imencode(".png", picture.image)[1].tobytes())
                records.append(ImageRecord(folder / name, name, picture.objects, annotated_size=size))
                number += 1
                if progress is not None:
                    progress(number, total)
            splits[split] = tuple(records)
        WRITERS[format](DatasetIndex(folder, format, CLASS_NAMES[surface], splits, content_hash=""), folder)
        description = {
            "generator_version": GENERATOR_VERSION,
            "surface": surface,
            "parts": dict(parts),
            "size": list(size),
            "seed": seed,
            "good_share": good_share,
        }
        (folder / DESCRIPTION_FILE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
