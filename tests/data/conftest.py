"""Small labelled sets, written by hand so that the readers are not tested against our own writers."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

HEIGHT, WIDTH = 40, 60


def write_picture(path: Path, seed: int = 0, channels: int = 1) -> Path:
    shape = (HEIGHT, WIDTH) if channels == 1 else (HEIGHT, WIDTH, channels)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(60, 200, shape, dtype=np.uint8))
    return path


def voc_xml(objects: str = "", size: str = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>") -> str:
    return f"<annotation>{size}{objects}</annotation>"


def voc_object(name: str, corners: Sequence[Any], difficult: int = 0) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"


MakeVoc = Callable[..., Path]
MakeCoco = Callable[..., Path]
MakeYolo = Callable[..., Path]


@pytest.fixture
def make_voc(tmp_path: Path) -> MakeVoc:
    """Name -> XML text (None: no file), and optional split lists."""

    def make(annotations: Mapping[str, str | None], splits: Mapping[str, Sequence[str]] | None = None) -> Path:
        root = tmp_path / "voc"
        (root / "annotations").mkdir(parents=True)
        for seed, (name, text) in enumerate(annotations.items()):
            write_picture(root / "images" / f"{name}.png", seed)
            if text is not None:
                (root / "annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
        for split, names in (splits or {}).items():
            (root / "splits").mkdir(exist_ok=True)
            (root / "splits" / f"{split}.txt").write_text("\n".join(names) + "\n")
        return root

    return make


@pytest.fixture
def make_coco(tmp_path: Path) -> MakeCoco:
    """Annotations of pictures 1 (a.png) and 2 (b.png); categories have the ids 7 and 3."""

    def make(annotations: Sequence[Mapping[str, Any]], **changed: Any) -> Path:
        root = tmp_path / "coco"
        (root / "annotations").mkdir(parents=True)
        for number, name in enumerate(("a", "b"), start=1):
            write_picture(root / "images" / f"{name}.png", number)
        images = [
            {"id": number, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT}
            for number, name in enumerate(("a", "b"), start=1)
        ]
        categories = [{"id": 7, "name": "spur"}, {"id": 3, "name": "open"}]
        document = {"images": images, "annotations": list(annotations), "categories": categories, **changed}
        (root / "annotations" / "train.json").write_text(json.dumps(document))
        return root

    return make


@pytest.fixture
def make_yolo(tmp_path: Path) -> MakeYolo:
    """Split -> name -> label lines (None: no file); ``yaml`` replaces data.yaml."""

    def make(splits: Mapping[str, Mapping[str, str | None]], yaml: str | None = None) -> Path:
        root = tmp_path / "yolo"
        for split, labels in splits.items():
            for name, text in labels.items():
                write_picture(root / "images" / split / f"{name}.png", seed=zlib.crc32(f"{split}/{name}".encode()))
                if text is not None:
                    target = root / "labels" / split / f"{name}.txt"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(text)
        keys = "".join(f"{split}: images/{split}\n" for split in splits)
        (root / "data.yaml").write_text(yaml if yaml is not None else f"path: .\n{keys}names: [hole, stain]\n")
        return root

    return make


@pytest.fixture
def picture() -> Callable[..., Path]:
    return write_picture


@pytest.fixture
def xml() -> Callable[..., str]:
    return voc_xml


@pytest.fixture
def thing() -> Callable[..., str]:
    return voc_object
