"""Pictures that show the same piece of surface: copies in another file format, brighter, shifted, overlapping.

A copy of a picture in another split makes every figure better than it is. Equal files are not enough to look for:
pictures are cut from one strip with an overlap, or taken twice with the part moved a little.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.errors import ImageError
from sdgasnet.imaging.image import full_scale, read_image

Progress = Callable[[int, int], None]

SIDE = 128
"""Pictures are compared at this size, whatever their shape."""
FINE, COARSE = 0.7, 4.0
"""Standard deviations of two blurs whose difference is compared: finer grain changes with a shift by parts of a
pixel, and light and shade don't make pictures alike."""
BAND = 24
"""Lowest frequencies of each axis whose magnitudes are the hash."""
NEIGHBOURS = 10
"""Pictures of the most similar hashes that each one is compared with."""
LARGEST_SHIFT = SIDE / 3
"""Along each axis; the rest must overlap."""
MARGIN = 3
"""Pixels left out at the border of the overlap, where shifting leaves no content."""
CORRELATION = 0.985
"""Of the overlap, from which two pictures count as near-duplicates. Nearly all overlapping cuts of one surface are
above it (NEU-DET), nearly all boards of one design below (DeepPCB)."""
FLAT = 0.1
"""Least standard deviation of the content, in grey levels of 255; there is nothing to compare below."""
BLOCK = 512
"""Hashes compared at once; changes memory, not results."""


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two pictures of the same piece of surface.

    Attributes:
        first: Position of the one.
        second: Position of the other, larger than ``first``.
        shift: (x, y), shares of the sides: what is at (u, v) in the first is at (u + x, v + y) in the second.
        correlation: Of the overlap, in [0.985, 1].
    """

    first: int
    second: int
    shift: tuple[float, float]
    correlation: float


def find_near_duplicates(paths: Sequence[Path], progress: Progress | None = None) -> list[NearDuplicate]:
    """Find pairs of pictures of the same piece of surface.

    The hash of a picture is the magnitude of its low frequencies, which a shift of the content leaves as it is.
    Pictures of similar hashes are aligned by phase correlation, and the overlap is compared pixel by pixel. Turned
    and mirrored copies are not found, and of a piece of surface that was taken more often than :data:`NEIGHBOURS`
    times not every pair.

    Args:
        paths: Picture files; one that can't be read is like no other.
        progress: Called with (pictures read, pictures in all).

    Returns:
        Pairs, in order of the positions.

    Source:
        Alignment: Kuglin and Hines, The Phase Correlation Image Alignment Method, 1975. Hash and limits: ours [O].
    """
    contents: dict[int, NDArray[np.float16]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for position, content in enumerate(pool.map(_read_content, paths)):
            if content is not None:
                contents[position] = content.astype(np.float16)  # tens of thousands of them stay in memory
            if progress is not None:
                progress(position + 1, len(paths))
    positions = sorted(contents)
    hashes = [_hash(contents[position].astype(np.float32)) for position in positions]
    pairs = [(positions[one], positions[other]) for one, other in _candidates(hashes)]
    found = (_compare(one, other, contents[one], contents[other]) for one, other in pairs)
    return [pair for pair in found if pair is not None]


def group_near_duplicates(pairs: Sequence[NearDuplicate], pictures: int) -> list[tuple[int, ...]]:
    """Positions of pictures that hang together, two or more each.

    Examples:
        >>> pair = NearDuplicate(0, 2, (0.0, 0.0), 1.0)
        >>> group_near_duplicates([pair, NearDuplicate(2, 3, (0.1, 0.0), 0.98)], 5)
        [(0, 2, 3)]
    """
    parent = list(range(pictures))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = position = parent[parent[position]]
        return position

    for pair in pairs:
        first, second = sorted((root(pair.first), root(pair.second)))
        parent[second] = first
    members: dict[int, list[int]] = {}
    for position in range(pictures):
        members.setdefault(root(position), []).append(position)
    return [tuple(positions) for positions in members.values() if len(positions) > 1]


def _read_content(path: Path) -> NDArray[np.float32] | None:
    """``(128, 128)`` grey without light, shade and the finest grain, or None."""
    try:
        picture = read_image(path, 1)
    except ImageError:
        return None
    grey = cv2.resize(picture[:, :, 0], (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey *= 255 / full_scale(picture.dtype)
    content: NDArray[np.float32] = cv2.GaussianBlur(grey, (0, 0), FINE) - cv2.GaussianBlur(grey, (0, 0), COARSE)
    return content if content.std() >= FLAT else None


def _hash(content: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of the magnitudes of the low frequencies; one half of the plane, since the other repeats it."""
    magnitude = np.abs(np.fft.rfft2(content * _window()))
    low = np.concatenate([magnitude[:BAND, :BAND], magnitude[1 - BAND :, :BAND]])
    hash_: NDArray[np.float32] = np.log1p(low).astype(np.float32).ravel()
    return hash_


def _candidates(hashes: Sequence[NDArray[np.float32]]) -> list[tuple[int, int]]:
    """Pairs (smaller, larger) of which one is among the most similar of the other."""
    count = len(hashes)
    if count < 2:
        return []
    stacked = np.stack(hashes)
    spread = stacked.std(axis=0)
    plain = (stacked - stacked.mean(axis=0)) / np.where(spread > 0, spread, 1)
    length = np.linalg.norm(plain, axis=1, keepdims=True)
    plain /= np.where(length > 0, length, 1)
    nearest = min(NEIGHBOURS, count - 1)
    pairs: set[tuple[int, int]] = set()
    for start in range(0, count, BLOCK):
        likeness = plain[start : start + BLOCK] @ plain.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -2.0
        best = np.argpartition(-likeness, nearest - 1, axis=1)[:, :nearest]
        for row, others in enumerate(best.tolist(), start=start):
            pairs.update((min(row, other), max(row, other)) for other in others)
    return sorted(pairs)


def _compare(
    one: int, other: int, first_content: NDArray[np.float16], second_content: NDArray[np.float16]
) -> NearDuplicate | None:
    first, second = first_content.astype(np.float32), second_content.astype(np.float32)
    # phaseCorrelate multiplies the window into what it is given.
    (x, y), _ = cv2.phaseCorrelate(first.copy(), second.copy(), _window())
    if max(abs(x), abs(y)) > LARGEST_SHIFT:
        return None
    correlation = max(_correlate(first, second, x, y), _correlate(first, second, round(x), round(y)))
    if correlation < CORRELATION:
        return None
    return NearDuplicate(one, other, (round(x / SIDE, 4), round(y / SIDE, 4)), round(min(1.0, correlation), 4))


def _correlate(first: NDArray[np.float32], second: NDArray[np.float32], x: float, y: float) -> float:
    """Correlation of the overlap after moving the second back by (x, y)."""
    back = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
    moved = cv2.warpAffine(second, back, (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    rows, columns = _overlap(y), _overlap(x)
    ours, theirs = first[rows, columns], moved[rows, columns]
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    size = np.sqrt(float((ours * ours).sum()) * float((theirs * theirs).sum()))
    return float((ours * theirs).sum()) / size if size > 0 else 0.0


def _overlap(shift: float) -> slice:
    return slice(int(np.ceil(max(0.0, -shift))) + MARGIN, SIDE - int(np.ceil(max(0.0, shift))) - MARGIN)


def _window() -> NDArray[np.float32]:
    return np.asarray(cv2.createHanningWindow((SIDE, SIDE), cv2.CV_32F), np.float32)
