"""Damaged annotations and pictures through the real readers: each is read, or refused by name with a reason."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgasnet.data.check import check_dataset
from sdgasnet.data.fix import fix_dataset, write_fixed
from sdgasnet.data.index import load_dataset
from sdgasnet.errors import DataError, ImageError
from sdgasnet.imaging.image import read_image, read_size, stored_layout

QUICK, ALL = 100, 1250
"""Examples of each of the nine kinds of file: in the normal run, and behind the marker ``slow``."""
HANG_SECONDS = 20
WIDTH, HEIGHT = 60, 40

VOC = f"""<?xml version="1.0" encoding="utf-8"?>
<annotation><filename>a.png</filename><size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>1</depth></size>
<object><name>stain</name><difficult>0</difficult><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>20</xmax>
<ymax>31.5</ymax></bndbox></object></annotation>""".encode()
COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [3, 4, 17.5, 20], "iscrowd": 0}],
        "categories": [{"id": 7, "name": "stain"}, {"id": 3, "name": "open"}],
    }
).encode()
YOLO = b"1 0.5 0.5 0.25 0.125\n0 0.1 0.1 0.9 0.1 0.9 0.9\n"
YAML = b"path: .\ntrain: images/train\nval: [images/val]\nnames:\n  0: hole\n  1: stain\n"
GOOD = b"0 0.5 0.5 0.2 0.2\n"

NASTY = [
    b"NaN", b"-Infinity", b"1e999", b"1e308", b"-1e308", b"9" * 400, b"1" * 5000, b"0x10", b"1_000", b"-0",
    b"\xd9\xa3",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\r",
    b"\x85",
    b"null", b"true", b"[]", b"{}", b'""', b"[[]]", b'{"a":1}', b"..", b"../", b"./", b"~", b"*", b"%", b"a" * 300,
    b"[" * 3000, b"{" * 3000, b'{"a":' * 3000, b"<a>" * 3000, b"]" * 9, b"- " * 500, b"? " * 300, b"&a [*a]",
    b"!!timestamp x", b"!!bool x", b"!!int ''", b"!!float ''",
    b"*a",
    b"!!python/object:os.system ", b"!!binary x", b"2026-99-99", b"!!int x", b"!!float x", b"<<: 1\n", b"0: 0\n",
    b"&lt;", b"&#0;", b"&#55296;", b"&x;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x ?>", b'encoding="utf-16"',
    b'encoding="idna"', b'encoding="rot13"', b'encoding="hex"', b'encoding="cp037"', b'encoding="nothing"',
    b'<!DOCTYPE a [<!ENTITY x "xxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]>',
    b"<object/>", b"<object><name>x</name></object>", b"<size/>", b"<bndbox/>", b' xmlns="a"', b"<xmin>1</xmin>",
]  # fmt: skip
BILLION_LAUGHS = b"<!DOCTYPE a [<!ENTITY l0 'ha'>%s]><annotation>&l30;</annotation>" % b"".join(
    b"<!ENTITY l%d '%s'>" % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 31)
)
YAML_LAUGHS = b"l0: &l0 [ha, ha]\n" + b"".join(
    b"l%d: &l%d [%s]\n" % (n, n, b", ".join([b"*l%d" % (n - 1)] * 10)) for n in range(1, 30)
)
LAUGHING = [
    YAML_LAUGHS + b"train: images/train\nnames: *l29\n",
    YAML_LAUGHS + b"train: *l29\nnames: [a]\n",
    YAML_LAUGHS + b"train: images/train\nnames: [*l29, b]\n",
    YAML_LAUGHS + b"train: images/train\npath: *l29\nnames: [a]\n",
    YAML_LAUGHS + b"train: images/train\nnames: [a]\nnc: *l29\n",
    YAML_LAUGHS + b"train: images/train\nnames: {0: a, 2: *l29}\n",
    YAML_LAUGHS + b"train: {x: *l29}\nnames: [a]\n",
]


@st.composite
def damaged(draw: st.DrawFn, source: bytes) -> bytes:
    """Real bytes after one to four accidents."""
    data = bytearray(source)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        end = min(len(data), place + draw(st.integers(0, 24)))
        match draw(st.sampled_from(["flip", "cut", "end", "insert", "replace", "nasty", "double", "recode"])):
            case "flip" if place < len(data):
                data[place] ^= draw(st.integers(1, 255))
            case "cut":
                del data[place:end]
            case "end":
                del data[place:]
            case "insert":
                data[place:place] = draw(st.binary(max_size=12))
            case "replace":
                data[place:end] = draw(st.binary(max_size=12))
            case "nasty":
                data[place:end] = draw(st.sampled_from(NASTY))
            case "double":
                data += data[place:]
            case "recode" if len(data) < 9999:
                data[:] = (
                    bytes(data).decode("latin-1").encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-7"])))
                )
    return bytes(data)


@st.composite
def retyped(draw: st.DrawFn, document: bytes) -> bytes:
    """A JSON document of which one or two values are of another kind."""
    root = json.loads(document)
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )
    for _ in range(draw(st.integers(1, 2))):
        node, keys = root, list(root)
        while keys:
            key = draw(st.sampled_from(keys))
            deeper = node[key]
            keys = (
                list(deeper)
                if isinstance(deeper, dict)
                else list(range(len(deeper)))
                if isinstance(deeper, list)
                else []
            )
            if not keys or draw(st.booleans()):
                node[key] = draw(anything)
                break
            node = deeper
    return json.dumps(root).encode("utf-8", "surrogatepass")


@contextmanager
def no_hang() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise AssertionError(f"no answer within {HANG_SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        # Deep enough that entries like ../.. stay inside.
        inner = Path(folder, *"abcdef")
        inner.mkdir(parents=True)
        yield inner


@pytest.fixture(scope="module")
def sets(place: Path) -> Mapping[str, Path]:
    """A whole data set of each format; the damaged file replaces one of its own."""
    pixels = np.random.default_rng(0).integers(60, 200, (HEIGHT, WIDTH), dtype=np.uint8)
    roots = {name: place / name for name in ("voc", "coco", "yolo")}
    for name in ("voc/images/a", "voc/images/b", "coco/images/a", "yolo/images/train/a", "yolo/images/val/b"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(place / f"{name}.png"), pixels)
        pixels = pixels[::-1].copy()
    for folder in ("voc/splits", "voc/annotations", "coco/annotations", "yolo/labels/train", "yolo/labels/val"):
        (place / folder).mkdir(parents=True)
    (roots["voc"] / "annotations" / "b.xml").write_bytes(VOC.replace(b"a.png", b"b.png"))
    (roots["yolo"] / "labels" / "val" / "b.txt").write_bytes(GOOD)
    (roots["yolo"] / "labels" / "train" / "a.txt").write_bytes(YOLO)
    (roots["yolo"] / "data.yaml").write_bytes(YAML)
    return roots


def read_set(root: Path, name: str) -> bool:
    """Read, check, correct and read again; whether all was taken. A refusal names the file or its folder."""
    copy = root.with_name(f"{root.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    with no_hang():
        refusal = read_and_fix(root, copy)
    assert refusal is None or name in refusal or root.name in refusal
    return refusal is None


def read_and_fix(root: Path, copy: Path) -> str | None:
    """Why the data set was refused, if it was."""
    try:
        index = load_dataset(root)
        report = check_dataset(index)
        json.dumps(report.to_json(), allow_nan=False)
        fixed, changes = fix_dataset(index)
    except DataError as error:
        return str(error)
    write_fixed(fixed, changes, copy)
    kinds = {finding.kind for finding in check_dataset(load_dataset(copy)).findings}
    assert not kinds & {"empty-box", "box-out-of-range", "duplicate-box", "broken-annotation", "unknown-class"}
    return next((f"{root.name}: {error.where}: {error.message}" for error in report.errors), None)


def read_picture(path: Path) -> bool:
    """Every way to read a picture; whether all were taken. A refusal names the file."""
    ways = (partial(read_image, channels=1), partial(read_image, channels=3), stored_layout, read_size)
    return min([reads_or_refuses(way, path) for way in ways])


def reads_or_refuses(read: Callable[[Path], object], path: Path) -> bool:
    refusal = None
    with no_hang():
        try:
            read(path)
        except ImageError as error:
            refusal = str(error)
    assert refusal is None or path.name in refusal
    return refusal is None


def encoded(suffix: str, deep: bool = False) -> bytes:
    dtype = np.uint16 if deep else np.uint8
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (24, 32, 3)).astype(dtype)
    return cv2.imencode(suffix, pixels)[1].tobytes()


PICTURES = [
    encoded(".png"),
    encoded(".png", True),
    encoded(".jpg"),
    encoded(".bmp"),
    encoded(".tif"),
    encoded(".tif", True),
]
STRANGERS = [encoded(suffix) for suffix in (".webp", ".gif", ".ppm")]


def with_checksums(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that its damage gets as far as the decoder."""
    parts, position = [data[:8]], 8
    while position + 12 <= len(data):
        length = min(int.from_bytes(data[position : position + 4], "big"), len(data) - position - 12)
        body = data[position + 4 : position + 8 + length]
        parts += [length.to_bytes(4, "big"), body, zlib.crc32(body).to_bytes(4, "big")]
        position += 12 + length
    return b"".join(parts)


KINDS: dict[str, st.SearchStrategy[bytes]] = {
    "voc/annotations/a.xml": damaged(VOC) | st.just(BILLION_LAUGHS),
    "coco/annotations/train.json": damaged(COCO) | retyped(COCO),
    "coco/annotations/val.json": retyped(COCO),
    "voc/splits/train.txt": damaged(b"a\nb\n"),
    "yolo/labels/train/a.txt": damaged(YOLO),
    "yolo/data.yaml": damaged(YAML) | st.sampled_from(LAUGHING),
    "picture.png": st.sampled_from(PICTURES).flatmap(damaged),
    "checksums.png": st.sampled_from(PICTURES[:2]).flatmap(damaged).map(with_checksums),
    "stranger.png": st.sampled_from(PICTURES + STRANGERS).flatmap(damaged),
}


def fuzz(kind: str, examples: int, place: Path, sets: Mapping[str, Path]) -> None:
    target = place / kind
    before = target.read_bytes() if target.is_file() else None
    root = sets.get(kind.split("/")[0])

    taken: Counter[bool] = Counter()

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(KINDS[kind])
    def examine(data: bytes) -> None:
        target.write_bytes(data)
        taken[read_picture(target) if root is None else read_set(root, target.name)] += 1

    try:
        examine()
    finally:
        target.unlink()
        if before is not None:
            target.write_bytes(before)
    assert taken.total() >= examples
    assert min(taken[True], taken[False]) > 0, "damage that is always or never noticed tests nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind: str, place: Path, sets: Mapping[str, Path]) -> None:
    fuzz(kind, QUICK, place, sets)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_damaged_files(kind: str, place: Path, sets: Mapping[str, Path]) -> None:
    fuzz(kind, ALL, place, sets)


@pytest.mark.parametrize("data", LAUGHING)
def test_aliases_that_multiply_are_refused(data: bytes, place: Path, sets: Mapping[str, Path]) -> None:
    (sets["yolo"] / "data.yaml").write_bytes(data)
    try:
        read_set(sets["yolo"], "data.yaml")
    finally:
        (sets["yolo"] / "data.yaml").write_bytes(YAML)
