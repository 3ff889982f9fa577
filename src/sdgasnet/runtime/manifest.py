"""What a bundle says of itself: ``manifest.json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdgasnet.config.schema import DetectionConfig, ImageSize
from sdgasnet.errors import ModelError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Precision = Literal["fp32", "fp16", "int8"]
"""Of a graph."""
ComputePrecision = Literal["fp32", "bf16", "fp16", "int8"]
"""What is computed in: a graph's precision, or bf16, which OpenVINO makes of the float graph."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Part):
    """What the graph takes: ``(B, height, width, channels)``, unsigned, values up to full scale."""

    image_size: ImageSize
    channels: Literal[1, 3]
    bits: Literal[8, 16]
    paired: bool = False
    """Channels are picture, picture, and the template registered onto it."""
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


class Graph(_Part):
    """A graph in the bundle, and the thresholds that belong to it."""

    file: FileName
    detection: DetectionConfig


class Manifest(_Part):
    """A whole bundle.

    Attributes:
        precision: Of the graph that runs where nothing else is asked for.
        graphs: Precision -> graph; the one in float is always there.
        parity: What became of the comparison with the trained model at the end of the export.
        refused: Ways to run, as ``"openvino bf16"``, that were outside the tolerances then; nothing chooses them.
        files: Name -> SHA-256 of every file of the bundle but this one and its signature.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    preset: str
    precision: Precision
    input: InputSpec
    preparation: Preparation
    class_names: tuple[str, ...]
    graphs: dict[Precision, Graph]
    training: Training
    parity: Literal["passed", "failed", "not run"] = "not run"
    refused: tuple[str, ...] = ()
    versions: dict[str, str]
    files: dict[FileName, Digest]

    @model_validator(mode="after")
    def _has_its_graphs(self) -> Self:
        for precision in (self.precision, "fp32"):
            if precision not in self.graphs:
                raise ValueError(f"graphs holds no {precision}")
        return self


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


def graph_precision(precision: ComputePrecision) -> Precision:
    """The graph that a precision is computed from.

    Examples:
        >>> graph_precision("bf16"), graph_precision("int8")
        ('fp32', 'int8')
    """
    return "fp32" if precision == "bf16" else precision
