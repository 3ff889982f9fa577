from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdgasnet.errors import ImageError
from sdgasnet.imaging.image import (
    find_images,
    full_scale,
    letterbox_value,
    prepare_image,
    read_image,
    stored_layout,
)

RNG = np.random.default_rng(0)


def save(path: Path, pixels: NDArray[np.generic], *parameters: int) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, pixels, parameters)[1].tobytes())
    return path


def grey(dtype: type[np.generic] = np.uint8) -> NDArray[np.generic]:
    return RNG.integers(0, np.iinfo(dtype).max, (24, 40)).astype(dtype)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_is_exact_in_one_channel_and_three(tmp_path: Path, suffix: str, dtype: type[np.generic]) -> None:
    if suffix == ".bmp" and dtype is np.uint16:
        pytest.skip("BMP holds eight bits only")
    pixels = grey(dtype)
    path = save(tmp_path / f"a{suffix}", pixels)
    one, three = read_image(path, 1), read_image(path, 3)
    assert one.dtype == three.dtype == dtype
    assert np.array_equal(one[:, :, 0], pixels)
    assert np.array_equal(three, np.repeat(pixels[:, :, None], 3, axis=2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_comes_in_rgb_order(tmp_path: Path, dtype: type[np.generic]) -> None:
    bgr = np.zeros((8, 8, 3), dtype)
    bgr[:, :, 2] = np.iinfo(dtype).max
    read = read_image(save(tmp_path / "a.png", bgr), 3)
    assert read[0, 0].tolist() == [np.iinfo(dtype).max, 0, 0]
    assert read.dtype == dtype


def test_equal_channels_stay_exact_as_grey(tmp_path: Path) -> None:
    pixels = grey()
    path = save(tmp_path / "a.png", np.repeat(pixels[:, :, None], 3, axis=2))
    assert np.array_equal(read_image(path, 1)[:, :, 0], pixels)
    assert stored_layout(path) == (3, np.uint8, True)


def test_transparency_is_dropped(tmp_path: Path) -> None:
    bgra = np.dstack([np.full((6, 9), value, np.uint8) for value in (10, 20, 30, 0)])
    assert read_image(save(tmp_path / "a.png", bgra), 3)[0, 0].tolist() == [30, 20, 10]


def test_palette_is_expanded(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    picture.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 3)[0].tolist() == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :8] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: np.rot90(upright.T, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    data = cv2.imencode(".jpg", np.ascontiguousarray(stored), [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    entry = struct.pack("<HHI", 0x0112, 3, 1) + struct.pack("<HH", orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    body = b"Exif\0\0" + tiff
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:])
    for channels in (1, 3):
        read = read_image(path, channels)  # type: ignore[arg-type]
        assert read.shape[:2] == (16, 32)
        assert read[2:6, 2:6].min() > 200
        assert read[10:, 12:].max() < 60


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_off_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    whole = cv2.imencode(suffix, RNG.integers(0, 255, (64, 64), dtype=np.uint8))[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=path.name):
        read_image(path, 1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "empty"), (b"hello, this is text", "can't be decoded"), (b"\xff\xd8", "cut off")],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=expected):
        read_image(path, 3)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        read_image(tmp_path / "absent.png", 1)
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path, 1)


def test_float_picture_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", np.ones((5, 5), np.float32))
    with pytest.raises(ImageError, match="float32"):
        read_image(path, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(10, 20), (200, 100), (64, 96), (1, 300)])
def test_letterbox_keeps_type_and_fills_with_grey(dtype: type[np.generic], size: tuple[int, int]) -> None:
    image = np.full((*size, 1), full_scale(dtype), dtype)
    canvas, resize_map = prepare_image(image, (64, 96))
    assert canvas.shape == (64, 96, 1)
    assert canvas.dtype == dtype
    top, left = resize_map.offset
    height, width = resize_map.resized_size
    assert (canvas[top : top + height, left : left + width] == full_scale(dtype)).all()
    outside = np.ones((64, 96), bool)
    outside[top : top + height, left : left + width] = False
    assert (canvas[outside] == letterbox_value(dtype)).all()


def test_fitting_picture_is_not_changed() -> None:
    image = RNG.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    assert np.array_equal(prepare_image(image, (64, 96))[0], image)


def test_find_images_looks_below_and_ignores_the_rest(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.PNG", "1.jpeg", "notes.txt", "3.tif"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)] == [
        "1.jpeg",
        "3.tif",
        "b/2.PNG",
    ]
