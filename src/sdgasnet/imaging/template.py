"""A picture beside its template, the good picture of the same place: registered, matched in light, one array."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdgasnet.errors import ImageError
from sdgasnet.imaging.image import Channels, Image, full_scale, read_image

COARSE_SIDE, FINE_SIDE = 160, 384
"""Longer sides, pixels, of the reduced pictures that are registered: first the one, then the other."""
COARSE_STEPS, FINE_STEPS = 50, 20
STEP_TOLERANCE = 1e-4
LEAST_CORRELATION = 0.8
"""Of a registered pair; experiments/0019-template has what pairs and wrong pairs come to."""
NOTICEABLE, MOST_DIFFERENT = 0.1, 0.01
"""A pair with too little on it to be registered by is taken as it lies if no more than this share of the pixels
differ by more than that share of full scale."""
MOST_GAIN = 2.0
"""Of the match in light, either way: a template with nothing on it would be all noise."""
MOST_STRETCH, MOST_MOVED = 0.05, 0.25
"""Shares of the size and of the longer side: any two pictures become somewhat alike if one may be bent at will."""
LEAST_PICTURE = 32
"""Side, pixels, below which there is too little to register by."""
LEAST_REDUCED = 8
"""The same for the shorter side of the picture when it is reduced: a long strip becomes a line."""
UNREGISTERED = -1.0
PICTURE, TEMPLATE = slice(0, 1), 2
"""Channels of a pair: the picture is in the first and, again, in the second."""


def read_input(path: Path, channels: Channels, paired: bool) -> Image:
    """Read a picture as a model takes it.

    Args:
        path: Picture file; of a pair that was made before where ``paired``.
        channels: 1 (grey) or 3 (RGB, or a pair).
        paired: Whether the model sees pictures beside their templates.

    Returns:
        ``(H, W, channels)`` uint8 or uint16.

    Raises:
        ImageError: As :func:`~sdgasnet.imaging.image.read_image`, or it is no pair.
    """
    image = read_image(path, channels)
    if paired:
        require_pair(image, f"Picture {path}")
    return image


def read_pair(path: Path, template: Path) -> Image:
    """Read a picture and its template, and lay them beside each other.

    Args:
        path: Picture file; colour becomes grey.
        template: File of the good picture of the same place, by the same camera.

    Returns:
        ``(H, W, 3)``, see :func:`pair_with_template`.

    Raises:
        ImageError: One can't be read, or the two don't fit; the message names both.
    """
    picture, good = read_image(path, 1), read_image(template, 1)
    try:
        return pair_with_template(picture, good)
    except ImageError as error:
        raise ImageError(f"Picture {path} and its template {template}: {error}") from None


def pair_with_template(picture: Image, template: Image) -> Image:
    """Register a template onto a picture, match its light, and join the two.

    A template that lies elsewhere by some percent of the side, is turned by some degrees or stretched by a few
    percent is found; where it ends, its border is continued. Plain surfaces, by which nothing can be registered,
    are taken as they lie. The template's mean and spread become those of the picture: lamps age, parts don't.

    Args:
        picture: ``(H, W, 1)`` uint8 or uint16.
        template: The same shape and type.

    Returns:
        ``(H, W, 3)`` of the same type: picture, picture, template. What both have is grey; what one has is blue
        or yellow.

    Raises:
        ImageError: Shapes or types differ, or the two do not show the same place.
    """
    if picture.shape != template.shape or picture.dtype != template.dtype:
        raise ImageError(
            f"they are {describe(picture)} and {describe(template)}; expected the same size and depth, as one "
            "camera gives them."
        )
    matrix, correlation = register(picture, template)
    if correlation < LEAST_CORRELATION and lies_on(picture, template):
        matrix = np.eye(2, 3, dtype=np.float32)
    elif correlation < LEAST_CORRELATION:
        raise ImageError(
            f"they do not show the same place: correlation {max(0.0, correlation):.2f} at best, expected "
            f"{LEAST_CORRELATION:g} or more. Give the template of this place, taken from the same side."
        )
    height, width = picture.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(template, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    matched = match_light(np.asarray(laid, picture.dtype).reshape(picture.shape), picture)
    if np.array_equal(matched, picture):
        matched[0, 0] ^= 1  # or it could not be told from a grey picture, which has no template
    return np.concatenate([picture, picture, matched], axis=2)


def register(picture: Image, template: Image) -> tuple[NDArray[np.float32], float]:
    """Find how the template lies on the picture: moved, turned, stretched.

    Phase correlation finds the movement, the enhanced correlation coefficient refines it with a turn, on pictures
    reduced to :data:`COARSE_SIDE` pixels, and then to any affine map, on pictures of :data:`FINE_SIDE`: line
    cameras stretch pictures when the speed changes.

    Args:
        picture: ``(H, W, 1)`` uint8 or uint16.
        template: The same shape and type.

    Returns:
        ``(2, 3)`` matrix from pixels of the picture to those of the template, and the correlation of the two so,
        at most 1; -1 where there is nothing to go by, or nothing plausible is found.

    Source:
        Evangelidis, Psarakis, Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization,
        IEEE TPAMI 30, 2008.
    """
    if min(picture.shape[:2]) < LEAST_PICTURE:
        return np.eye(2, 3, dtype=np.float32), UNREGISTERED
    pair = _reduce(picture, COARSE_SIDE), _reduce(template, COARSE_SIDE)
    if min(pair[0].shape) < LEAST_REDUCED:
        return np.eye(2, 3, dtype=np.float32), UNREGISTERED
    coarse = pair[0].shape[1] / picture.shape[1]
    (right, down), _ = cv2.phaseCorrelate(*pair, cv2.createHanningWindow(pair[0].shape[::-1], cv2.CV_32F))
    starts = [np.array([[1, 0, x], [0, 1, y]], np.float32) for x, y in ((0.0, 0.0), (right, down))]
    found = [_refine(*pair, start, cv2.MOTION_EUCLIDEAN, COARSE_STEPS) for start in starts]
    pair = _reduce(picture, FINE_SIDE), _reduce(template, FINE_SIDE)
    fine = pair[0].shape[1] / picture.shape[1]
    # Both starts mostly end in the same place, and then only one of them goes on.
    places = {tuple(np.rint(matrix[:, 2])): matrix for matrix, correlation in found if correlation > UNREGISTERED}
    refined = [_refine_plausibly(*pair, _rescaled(matrix, fine / coarse)) for matrix in places.values()]
    matrix, correlation = max(refined, key=lambda one: one[1], default=(starts[0], UNREGISTERED))
    return _rescaled(matrix, 1 / fine), correlation


def is_plausible(matrix: NDArray[np.float32], size: tuple[int, ...]) -> bool:
    """Whether a camera can have moved so: the centre not too far, and next to no stretch.

    Args:
        matrix: ``(2, 3)`` in pixels.
        size: (height, width).
    """
    center = np.array([size[1] / 2, size[0] / 2])
    moved = np.abs(matrix[:, :2] @ center + matrix[:, 2] - center).max()
    stretch = np.abs(np.linalg.svd(matrix[:, :2], compute_uv=False) - 1).max()
    return bool(moved <= MOST_MOVED * max(size) and stretch <= MOST_STRETCH)


def lies_on(picture: Image, template: Image) -> bool:
    """Whether the two differ noticeably in next to no pixels, as they lie."""
    differences = cv2.absdiff(picture, template) > NOTICEABLE * full_scale(picture.dtype)
    return float(np.mean(differences)) <= MOST_DIFFERENT


def match_light(image: Image, to: Image) -> Image:
    """The picture with mean and standard deviation of another of its type, clipped to the full scale.

    The contrast changes by :data:`MOST_GAIN` at most.
    """
    (mean,), (spread,) = cv2.meanStdDev(image)
    (wanted,), (wanted_spread,) = cv2.meanStdDev(to)
    ratio = wanted_spread.item() / spread.item() if spread.item() > 0 else 1.0
    gain = float(np.clip(ratio, 1 / MOST_GAIN, MOST_GAIN))
    matched = cv2.addWeighted(image, gain, image, 0.0, float(wanted.item() - gain * mean.item()))
    return np.asarray(matched, image.dtype).reshape(image.shape)


def require_pair(image: Image, what: str) -> None:
    """Refuse a picture without a template, in which a model of pairs would find nothing.

    Args:
        image: ``(H, W, 3)``.
        what: For the message.

    Raises:
        ImageError: Its first two channels differ, or all three are equal.
    """
    if image.shape[2] != 3 or (image[:, :, 0] != image[:, :, 1]).any():
        found = "its first two channels differ" if image.shape[2] == 3 else f"it has {image.shape[2]} channel"
    elif (image[:, :, 0] == image[:, :, TEMPLATE]).all():
        found = "all its channels are equal, as in a grey picture"
    else:
        return
    raise ImageError(
        f"{what} is no pair: {found}. The model sees a picture beside its template and would find nothing in "
        "one alone. Give the templates (predict --template), or make pairs (sdgasnet data pair), stored as PNG."
    )


def as_input(grey: Image, channels: Channels, paired: bool) -> Image:
    """A generated picture as a model takes it; the template of a pair is the picture itself, a pixel lower.

    Args:
        grey: ``(H, W, 1)``.
        channels: As for :func:`read_input`.
        paired: As for :func:`read_input`.

    Returns:
        ``(H, W, channels)``.
    """
    image = np.repeat(grey, channels, axis=2)
    if paired:
        image[1:, :, TEMPLATE] = grey[:-1, :, 0]
    return image


def picture_of(image: Image, paired: bool) -> Image:
    """What a person should see of a model's input: the picture without its template."""
    return image[:, :, PICTURE] if paired else image


def shown_channels(channels: Channels, paired: bool) -> Channels:
    """As what picture files are read for people: of a pair the picture, with a trace of the template."""
    return 1 if paired else channels


def describe_channels(channels: Channels, paired: bool) -> str:
    """What a model sees, in words.

    Examples:
        >>> describe_channels(1, False), describe_channels(3, True)
        ('grey', 'grey beside its template')
    """
    if paired:
        return "grey beside its template"
    return "grey" if channels == 1 else "RGB"


def describe(image: Image) -> str:
    """Size and depth in words.

    Examples:
        >>> describe(np.zeros((4, 6, 1), np.uint8))
        '4x6 (height x width) of 8 bits'
    """
    bits = full_scale(image.dtype).bit_length()
    return f"{image.shape[0]}x{image.shape[1]} (height x width) of {bits} bits"


def _reduce(image: Image, side: int) -> NDArray[np.float32]:
    scale = min(1.0, side / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image[:, :, 0], size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _refine(
    picture: NDArray[np.float32],
    template: NDArray[np.float32],
    start: NDArray[np.float32],
    motion: int,
    steps: int,
) -> tuple[NDArray[np.float32], float]:
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, STEP_TOLERANCE)
    try:
        correlation, matrix = cv2.findTransformECC(picture, template, start.copy(), motion, criteria)
    except cv2.error:  # nothing overlaps, or nothing is to be seen
        return start, UNREGISTERED
    return np.asarray(matrix, np.float32), float(correlation)


def _refine_plausibly(
    picture: NDArray[np.float32], template: NDArray[np.float32], start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """The best affine map, or where that bends too much, as it does where little is to be seen, the best turn."""
    for motion in (cv2.MOTION_AFFINE, cv2.MOTION_EUCLIDEAN):
        matrix, correlation = _refine(picture, template, start, motion, FINE_STEPS)
        if is_plausible(matrix, picture.shape):
            return matrix, correlation
    return start, UNREGISTERED


def _rescaled(matrix: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    return np.hstack([matrix[:, :2], matrix[:, 2:] * np.float32(factor)])
