from __future__ import annotations

import cv2
import numpy as np
import pytest

from sdgasnet.imaging.file_structure import is_whole

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
