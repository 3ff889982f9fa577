from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Literal

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
    read_size,
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


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_channels_stay_exact_as_grey(tmp_path: Path, suffix: str, dtype: type[np.generic]) -> None:
    if suffix == ".bmp" and dtype is np.uint16:
        pytest.skip("BMP holds eight bits only")
    pixels = grey(dtype)
    path = save(tmp_path / f"a{suffix}", np.repeat(pixels[:, :, None], 3, axis=2))
    assert np.array_equal(read_image(path, 1)[:, :, 0], pixels)
    assert stored_layout(path) == (3, dtype, True)


def test_a_grey_jpeg_stored_as_colour_gives_the_same_values_either_way(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", np.repeat(grey()[:, :, None], 3, axis=2))
    assert np.array_equal(np.repeat(read_image(path, 1), 3, axis=2), read_image(path, 3))


def test_transparency_is_dropped(tmp_path: Path) -> None:
    bgra = np.dstack([np.full((6, 9), value, np.uint8) for value in (10, 20, 30, 0)])
    assert read_image(save(tmp_path / "a.png", bgra), 3)[0, 0].tolist() == [30, 20, 10]


def test_palette_is_expanded(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    picture.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    picture.save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", 3)[0].tolist() == [[255, 0, 0], [0, 0, 255]]


def exif(orientation: int) -> bytes:
    """A TIFF structure that says one thing: how the picture is turned."""
    entry = struct.pack("<HHI", 0x0112, 3, 1) + struct.pack("<HH", orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)


def jpeg_with_segment(data: bytes, body: bytes) -> bytes:
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, depth: int, colour: int, row: bytes, *extra: bytes) -> bytes:
    """A PNG of one row."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + png_chunk(b"IEND", b"")


def write_turned(path: Path, stored: NDArray[np.generic], orientation: int) -> None:
    """A picture whose file says that it is to be turned."""
    stored = np.ascontiguousarray(stored)
    if path.suffix == ".tif":
        image = pytest.importorskip("PIL.Image")
        image.fromarray(stored).save(path, tiffinfo={0x0112: orientation})
        return
    data = cv2.imencode(path.suffix, stored, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    if path.suffix == ".jpg":
        data = jpeg_with_segment(data, b"Exif\0\0" + exif(orientation))
    else:
        after_header = data.index(b"IDAT") - 4
        data = data[:after_header] + png_chunk(b"eXIf", exif(orientation)) + data[after_header:]
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
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
    path = tmp_path / f"a{suffix}"
    write_turned(path, stored, orientation)
    channels: Literal[1, 3]
    for channels in (1, 3):
        read = read_image(path, channels)
        assert read.shape[:2] == (16, 32)
        assert read[2:6, 2:6].min() > 200
        assert read[10:, 12:].max() < 60


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_cut_off_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    whole = cv2.imencode(suffix, RNG.integers(0, 255, (64, 64), dtype=np.uint8))[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=path.name):
        read_image(path, 1)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture(tmp_path: Path) -> None:
    thumbnail = cv2.imencode(".jpg", np.zeros((16, 16), np.uint8))[1].tobytes()
    whole = jpeg_with_segment(cv2.imencode(".jpg", grey())[1].tobytes(), b"Exif\0\0" + thumbnail)
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert read_image(path, 1).shape == (24, 40, 1)
    path.write_bytes(whole[:-100])
    with pytest.raises(ImageError, match="cut off"):
        read_image(path, 1)


def test_bytes_behind_the_end_do_no_harm(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png", ".bmp"):
        path = save(tmp_path / f"a{suffix}", grey())
        path.write_bytes(path.read_bytes() + bytes(5000))
        assert read_image(path, 1).shape == (24, 40, 1)


def test_a_damaged_png_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", grey())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(ImageError, match="damaged"):
        read_image(path, 1)


def test_a_damaged_jpeg_is_refused_and_the_decoder_is_not_heard(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "a.jpg", RNG.integers(0, 255, (128, 128), dtype=np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    with pytest.raises(ImageError, match=r"damaged \(Corrupt JPEG data"):
        read_image(path, 1)
    assert capfd.readouterr().err == ""


def test_a_jpeg_padded_by_its_camera_is_read_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "a.jpg", grey())
    path.write_bytes(path.read_bytes()[:-2] + bytes(9) + b"\xff\xd9")
    assert read_image(path, 1).shape == (24, 40, 1)
    assert capfd.readouterr().err == ""


def test_a_bad_colour_profile_does_no_harm(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 8, 0, bytes([10, 200]), png_chunk(b"iCCP", b"bad\0\0" + zlib.compress(b"none"))))
    assert read_image(path, 1).ravel().tolist() == [10, 200]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("width", "depth", "row", "expected"),
    [
        (4, 1, 0b0101_0000, [0, 255, 0, 255]),
        (4, 2, 0b00_01_10_11, [0, 85, 170, 255]),
        (2, 4, 0b0000_1111, [0, 255]),
    ],
)
def test_few_bits_are_spread_over_the_full_scale(
    tmp_path: Path, width: int, depth: int, row: int, expected: list[int]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(width, depth, 0, bytes([row])))
    assert read_image(path, 1).ravel().tolist() == expected
    assert read_image(path, 3)[0, :, 1].tolist() == expected


def test_one_bit_tiff_and_bmp(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.eye(16, dtype=np.uint8) * 255).convert("1")
    for name, options in (("a.bmp", {}), ("a.tif", {}), ("fax.tif", {"compression": "group4"})):
        picture.save(tmp_path / name, **options)
        assert np.array_equal(read_image(tmp_path / name, 1)[:, :, 0], np.eye(16) * 255)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=100)
    red, green, blue = read_image(tmp_path / "red.jpg", 3)[8, 8].tolist()
    assert red > 230
    assert max(green, blue) < 25


@pytest.mark.parametrize("header", [12, 40])
def test_bmp_with_either_header_is_read_whole_and_refused_cut(tmp_path: Path, header: int) -> None:
    sides = struct.pack("<HHHH", 8, 4, 1, 24) if header == 12 else struct.pack("<iiHH24x", 8, 4, 1, 24)
    pixels = RNG.integers(1, 255, (4, 8, 3), dtype=np.uint8)
    start = 14 + header
    data = struct.pack("<2sIII", b"BM", start + 96, 0, start) + struct.pack("<I", header) + sides
    data += pixels[::-1].tobytes()
    path = tmp_path / "a.bmp"
    path.write_bytes(data)
    assert np.array_equal(read_image(path, 3), pixels[:, :, ::-1])
    path.write_bytes(data[:-1])
    with pytest.raises(ImageError, match="cut off"):
        read_image(path, 3)


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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_pixel_types_are_refused_by_name(
    tmp_path: Path, channels: Literal[1, 3], dtype: type[np.generic]
) -> None:
    path = save(tmp_path / "a.tiff", np.ones((5, 5), dtype))
    with pytest.raises(ImageError, match=np.dtype(dtype).name):
        read_image(path, channels)


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


def test_a_shrunk_picture_is_averaged_along_the_side_that_shrinks() -> None:
    image = np.zeros((1, 4000, 1), np.uint8)
    image[:, ::5] = 250
    canvas, resize_map = prepare_image(image, (32, 100))
    assert (canvas[resize_map.offset[0]] == 50).all()


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


@pytest.mark.parametrize("name", ["stack.tif", "deep.tif", "big.tif", "a.png", "gif.png", "webp.jpg"])
def test_several_pages_or_frames_are_refused(tmp_path: Path, name: str) -> None:
    image = pytest.importorskip("PIL.Image")
    dtype = np.uint16 if name == "deep.tif" else np.uint8
    first, *others = [image.fromarray(np.full((8, 9), 40 * page + 20, dtype)) for page in range(3)]
    format = {"gif.png": "GIF", "webp.jpg": "WEBP", "a.png": "PNG"}.get(name, "TIFF")
    options = {"big_tiff": True} if name == "big.tif" else {}
    first.save(tmp_path / name, format, save_all=True, append_images=others, **options)
    with pytest.raises(ImageError, match=rf"{name} holds 3 pages or frames; expected one"):
        read_image(tmp_path / name, 3)


@pytest.mark.parametrize("name", ["big.tif", "still.gif", "still.webp", "still.png"])
def test_one_page_or_frame_is_read(tmp_path: Path, name: str) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(72, dtype=np.uint8).reshape(8, 9)
    options = {".tif": {"big_tiff": True}, ".webp": {"lossless": True}}.get(Path(name).suffix, {})
    image.fromarray(pixels).save(tmp_path / name, **options)
    assert np.array_equal(read_image(tmp_path / name, 1)[:, :, 0], pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
@pytest.mark.parametrize("colours", [1, 3])
def test_size_is_that_of_the_pixels(tmp_path: Path, suffix: str, colours: int) -> None:
    path = save(tmp_path / f"a{suffix}", RNG.integers(0, 255, (24, 40, colours), dtype=np.uint8))
    assert read_size(path) == (24, 40)
    if suffix != ".tif":
        path.write_bytes(path.read_bytes()[:700])
        assert read_size(path) == (24, 40)
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(ImageError):
        read_size(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_size_is_that_of_the_picture_turned_upright(tmp_path: Path, suffix: str) -> None:
    write_turned(tmp_path / f"a{suffix}", np.zeros((32, 16), np.uint8), 6)
    assert read_size(tmp_path / f"a{suffix}") == (16, 32)


def test_size_of_a_progressive_jpeg_and_of_a_bmp_from_above(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", np.zeros((24, 40), np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert read_size(path) == (24, 40)
    (tmp_path / "a.bmp").write_bytes(
        struct.pack("<2sIIIIiiHH24x", b"BM", 54 + 96, 0, 54, 40, 8, -4, 1, 24) + bytes(96)
    )
    assert read_size(tmp_path / "a.bmp") == read_image(tmp_path / "a.bmp", 1).shape[:2] == (4, 8)
