"""What a bundle says of itself: ``manifest.json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sdgasnet.config.schema import DetectionConfig, ImageSize
from sdgasnet.errors import ModelError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "fp16", "int8"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Part):
    """What the graph takes: ``(B, height, width, channels)``, unsigned, values up to full scale."""

    image_size: ImageSize
    channels: Literal[1, 3]
    bits: Literal[8, 16]
    batch: Literal["any"] = "any"


class Preparation(_Part):
    """How a picture comes onto the canvas; normalisation is inside the graph."""

    colour_order: Literal["RGB"] = "RGB"
    fit: Literal["letterbox, centred"] = "letterbox, centred"
    shrink: Literal["area"] = "area"
    enlarge: Literal["bilinear"] = "bilinear"
    padding: Annotated[float, Field(ge=0, le=1)]
    """Grey around the picture, of full scale."""


class Training(_Part):
    """Where the weights come from."""

    epochs: int
    metrics: dict[str, float]
    pictures: int
    pictures_digest: Digest
    """SHA-256 over the sorted digests of the training pictures."""


class Manifest(_Part):
    """A whole bundle.

    Attributes:
        files: Name -> SHA-256 of every file of the bundle but this one.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    preset: str
    precision: Precision
    input: InputSpec
    preparation: Preparation
    class_names: tuple[str, ...]
    detection: DetectionConfig
    training: Training
    versions: dict[str, str]
    files: dict[FileName, Digest]


def read_manifest(values: Any, origin: str) -> Manifest:
    """Check the content of a ``manifest.json``.

    Args:
        values: The parsed JSON.
        origin: Which bundle, for the message.

    Raises:
        ModelError: A newer schema, or a manifest that breaks it; the message names the key.
    """
    version = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ModelError(
            f"Bundle {origin} has schema version {version}; this version of sdgasnet reads up to "
            f"{SCHEMA_VERSION}. Install a newer sdgasnet."
        )
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(whole)"
        raise ModelError(
            f"Bundle {origin}: {MANIFEST_NAME} is not valid at '{key}': {first['msg']}. Export the model again."
        ) from None
