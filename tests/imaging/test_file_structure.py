from __future__ import annotations

import cv2
import numpy as np
import pytest

from sdgasnet.imaging.file_structure import is_whole, jpeg_quality

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)


@pytest.mark.parametrize(
    ("suffix", "parameters"),
    [(".jpg", ()), (".jpg", PROGRESSIVE), (".jpg", RESTARTS), (".png", ()), (".bmp", ())],
)
def test_whole_at_full_length_only(suffix: str, parameters: tuple[int, ...]) -> None:
    data = cv2.imencode(suffix, PIXELS, parameters)[1].tobytes()
    assert is_whole(data)
    first = 2 if suffix != ".png" else 8
    assert not any(is_whole(data[:length]) for length in range(first, len(data)))


def test_a_damaged_chunk_that_decoding_does_not_need_is_let_through() -> None:
    data = cv2.imencode(".png", PIXELS)[1].tobytes()
    after_header = 8 + 25
    text = bytes.fromhex("00000002") + b"tEXt" + b"a\0" + bytes(4)
    assert is_whole(data[:after_header] + text + data[after_header:])


def test_formats_without_a_check_are_left_to_the_decoder() -> None:
    assert is_whole(b"II*\0")
    assert is_whole(b"hello")


def test_the_compression_of_a_jpeg_is_not_that_of_its_thumbnail() -> None:
    def encode(quality: int) -> bytes:
        image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
        return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])

    whole, thumbnail = encode(90), encode(30)
    content = b"Exif\0\0" + thumbnail
    with_thumbnail = whole[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + whole[2:]
    assert is_whole(with_thumbnail)
    assert jpeg_quality(with_thumbnail) == jpeg_quality(whole) != jpeg_quality(thumbnail)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xdb\x00\x43\x00\x01", b"\x89PNG\r\n\x1a\n", b"BM"]
)
def test_what_has_no_table_of_quantisation_has_no_quality(data: bytes) -> None:
    assert jpeg_quality(data) is None


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 95, 100])
def test_quality_is_that_of_the_encoder(quality: int) -> None:
    assert jpeg_quality(cv2.imencode(".jpg", PIXELS, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()) == quality
