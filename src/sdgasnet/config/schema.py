"""Schema of a recipe. Every product default stands here and nowhere else.

A recipe is a YAML file with the sections of :class:`Recipe`. Keys are checked strictly: an
unknown one is an error that names it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeFloat = Annotated[float, Field(ge=0.0)]
PositiveFloat = Annotated[float, Field(gt=0.0)]
ImageSize = tuple[Annotated[int, Field(ge=32, multiple_of=32)], Annotated[int, Field(ge=32, multiple_of=32)]]
Preset = Literal["n", "s", "lite0"]


class Section(BaseModel):
    """A frozen part of the recipe that refuses unknown keys and implicit conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class DataConfig(Section):
    """Which pictures are trained on and measured on."""

    path: str | None = None
    """Folder of the data set; relative paths start at the working folder."""
    format: Literal["auto", "voc", "coco", "yolo"] = "auto"
    train_split: str = "train"
    """`not:NAME` takes all splits but that one, as for a fold."""
    train_share: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Share of the training pictures that is used, drawn with the training's seed: for learning curves."""
    val_split: str = "val"
    class_names: tuple[str, ...] | None = None
    """Expected classes, in order. None takes them from the data set."""
    check: bool = True
    """Check the data set before the first step; errors stop the run."""


class ModelConfig(Section):
    """Structure of the network. A preset fills it; every field can be overridden.

    Source:
        Values of preset ``s``: docs/method.md sections 2 to 4 [A]; of preset ``n``: ours [O].
    """

    preset: Preset = "n"
    image_size: ImageSize = (640, 640)
    """Height and width that the network sees, multiples of 32."""
    channels: Literal[1, 3] = 3
    """1 keeps grey pictures grey from file to network."""
    paired: bool = False
    """Pictures are pairs, a picture beside its template (`sdgasnet data pair`); needs channels=3."""
    backbone: Literal["lvt", "rep", "lite0"] = "lvt"
    backbone_widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (64, 64, 160, 256)
    backbone_depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (1, 1, 2, 2)
    """Blocks of each stage; `lite0` has its own."""
    stem_width: PositiveInt = 32
    activation: Literal["silu", "relu"] = "silu"
    """Activation of stem, neck blocks, head and FGPEM's first convolution; the rest of the neck uses ReLU, and
    so does all of backbone `rep`."""
    fusion: Literal["mfa", "none"] = "mfa"
    """`none` leaves out global gathering, enhancement and allocation (no Inject); `enhance` is then not used."""
    enhance: Literal["fgpem", "conv", "none"] = "fgpem"
    """What is done to the gathered map: frequency-guided, convolutions alone, or one 1x1 convolution."""
    synchronize: Literal["cs", "topdown"] = "cs"
    """How neighbouring levels are joined: three of them, or as in a plain feature pyramid."""
    lateral_channels: PositiveInt = 64
    enhance_channels: Annotated[int, Field(ge=4)] = 128
    frequency_band: Literal["fixed", "learnable"] = "fixed"
    frequency_ratio: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    """Share of the frequencies of each axis that counts as low; where a learnable band starts."""
    neck_block: Literal["mbla", "rep"] = "mbla"
    neck_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 128, 256)
    """Channels of P3, P4, P5."""
    head_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (64, 128, 256)
    reg_max: PositiveInt = 16
    """Largest distance from a point to a side of its box, in strides of the level."""
    box_predictors: Literal["distribution", "both"] = "distribution"
    """`both` trains a plain predictor of the distances beside the distribution, which is dropped for deployment;
    what a student learns with. A recipe that names a teacher has it."""

    @model_validator(mode="after")
    def _check_pairs_have_room(self) -> Self:
        if self.paired and self.channels != 3:
            raise ValueError("model.paired needs model.channels=3: the picture twice, and its template")
        return self


class AugmentationConfig(Section):
    """Random changes of the training pictures; geometric ones are one matrix a picture.

    Source:
        Defaults: docs/method.md section 6 [A], weakened for small sets trained from scratch [O].
    """

    mosaic: Fraction = 1.0
    mixup: Fraction = 0.0
    hue: Fraction = 0.0138
    """Share of the colour circle; saturation and value are relative changes."""
    saturation: Fraction = 0.664
    value: Fraction = 0.464
    template_shift: NonNegativeFloat = 1.0
    """Pixels of the canvas; the template of a pair is moved by up to so much, for registration is not exact. Of
    pairs only the value changes, of picture and template alike."""
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = 0.373
    """Degrees, drawn from [-rotate, rotate]."""
    translate: Fraction = 0.1
    """Share of the picture's side."""
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    """Factor drawn from [1 - scale, 1 + scale]."""
    shear: Annotated[float, Field(ge=0.0, lt=45.0)] = 0.602
    """Degrees."""
    flip_horizontal: Fraction = 0.5
    flip_vertical: Fraction = 0.5
    quarter_turn: Fraction = 0.0
    """Share of the pictures that is turned by 90 degrees: for parts that come in any position, such as boards."""
    plain_last_epochs: Annotated[int, Field(ge=0)] = 10
    """Mosaic and mixup are off for this many last epochs."""
    plain_geometry: Literal["random", "still"] = "still"
    """`still`: pictures of those epochs keep the size and the place that they have in use."""
    plain_norms: Literal["batch", "kept"] = "kept"
    """What normalises in those epochs: each batch's own statistics, or those kept from the epochs before or the
    start weights, as in the finished network. The seams of mosaics make the two very different. Where there are
    none to keep (fewer than 100 steps before, from random weights or `imagenet`) it is each batch's own."""


class LossConfig(Section):
    """Weights of the loss terms and of the assignment.

    Source:
        docs/method.md section 4 [A].
    """

    class_weight: NonNegativeFloat = 1.0
    box_weight: NonNegativeFloat = 2.5
    distribution_weight: NonNegativeFloat = 0.5
    assign_top_k: PositiveInt = 13
    assign_alpha: NonNegativeFloat = 1.0
    assign_beta: NonNegativeFloat = 6.0


class DistillationConfig(Section):
    """Training under a frozen teacher.

    Source:
        docs/method.md section 5 [A]; what makes the KL loss "enhanced" is our reading [O].
    """

    teacher: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Run folder or model file of the teacher; a list of several teaches what they say on average; None trains
    without one."""
    kind: Literal["none", "plain", "enhanced", "symmetric", "bernoulli"] = "enhanced"
    """`plain`: KL of the classes alone, at temperature 1 and of constant weight; `enhanced`: KL of classes and box
    distributions with the values below; `symmetric`: the same with the mean of both directions of the KL;
    `bernoulli`: as `enhanced`, but every class is compared by itself, at temperature 1; `none`: the teacher is not
    asked."""
    temperature: PositiveFloat = 30.0
    decay: Literal["cosine", "constant"] = "cosine"
    """`cosine` lets the weight of the teacher fall to 1 % over the epochs."""
    class_weight: NonNegativeFloat = 2.0
    distribution_weight: NonNegativeFloat = 1.0
    """Inside `loss.distribution_weight`."""


class TrainingConfig(Section):
    """How long and with what steps the network is trained."""

    epochs: PositiveInt = 150
    batch_size: PositiveInt = 16
    """Pictures per optimiser step and process; accumulation cuts it into smaller parts."""
    accumulate: PositiveInt = 1
    """Number of backward passes one optimiser step is cut into."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: PositiveFloat = 2e-3
    final_learning_rate_ratio: Fraction = 0.025
    momentum: Fraction = 0.9
    """SGD's momentum; AdamW's first beta."""
    weight_decay: NonNegativeFloat = 0.05
    warmup_epochs: NonNegativeFloat = 2.0
    gradient_clip: NonNegativeFloat = 10.0
    """Largest norm of the gradient; 0 switches clipping off."""
    ema_decay: Fraction = 0.9999
    ema_ramp_steps: PositiveFloat = 2000.0
    """Decay at step t is ``ema_decay * (1 - exp(-t / ema_ramp_steps))``."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` takes bf16 autocast where the processor has it in hardware."""
    channels_last: bool = True
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: PositiveInt = 1
    nodes: PositiveInt = 1
    workers: Annotated[int, Field(ge=0)] = 1
    """Loader processes; 0 loads in the training process."""
    cache_mebibytes: Annotated[int, Field(ge=0)] = 2048
    """Decoded pictures are kept in memory up to this much, in every process; the others are read every time."""
    seed: Annotated[int, Field(ge=0)] = 0
    cuda_graphs: bool = True
    """On one GPU and without accumulation, launch the network's forward and its backward pass as a whole."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Computing threads of the training process; 0 leaves the choice to torch."""
    validate_every: PositiveInt = 5
    """Epochs between measurements on the val split; the last epoch is always measured."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Measurements without a better AP before training stops; 0 never stops early."""


class DetectionConfig(Section):
    """From raw network outputs to detections."""

    score_threshold: Fraction = 0.4
    """Decision: detections below are not shown. Varifocal scores estimate overlap, so that the best F1 of trained
    networks lies near here; a decision of your own needs costs and a calibration split."""
    score_floor: Fraction = 0.001
    """Lowest score that counts for average precision."""
    iou_threshold: Fraction = 0.6
    """Of two boxes of a class that overlap by more than this, the better one is kept."""
    averaging_iou: Fraction = 0.7
    """A kept box is the mean of the boxes of its class that overlap it by more than this; 1 leaves it as it is."""
    candidates: PositiveInt = 1000
    """Best (point, class) pairs that enter suppression."""
    max_detections: PositiveInt = 300


class SynthesisConfig(Section):
    """A data set of generated surfaces; not a part of recipes, but the home of its defaults."""

    surface: Literal["steel", "board", "textile", "cast", "mixed"] = "steel"
    images: PositiveInt = 500
    seed: Annotated[int, Field(ge=0)] = 0
    image_size: Annotated[int, Field(ge=64)] = 256
    val_share: Fraction = 0.2
    good_share: Fraction = 0.1
    format: Literal["voc", "coco", "yolo"] = "yolo"


class PlantingConfig(Section):
    """Defects planted on pictures of good boards; not a part of recipes, but the home of its defaults."""

    copper: Literal["dark", "light"] = "dark"
    copies: PositiveInt = 4
    least_defects: PositiveInt = 1
    most_defects: PositiveInt = 10
    good_share: Fraction = 0.1
    margin: Annotated[int, Field(ge=0)] = 4
    """Pixels that boxes stand off the defect."""
    seed: Annotated[int, Field(ge=0)] = 0
    val_share: Fraction = 0.2
    """Of the good pictures, where no data set with a val split is given."""
    format: Literal["voc", "coco", "yolo"] = "yolo"


class Tolerance(Section):
    """How far a bundle may be from the trained model in one precision; None holds nothing against it.

    Source:
        Ours [O]; what float32 and bfloat16 come to on NEU-DET: ``benchmarks/results/parity_neu_det.json``.
    """

    boxes: NonNegativeFloat | None = None
    """Largest difference of a side of a box, pixels of the canvas."""
    scores: NonNegativeFloat | None = None
    """Largest difference of a score."""
    scores_p999: NonNegativeFloat | None = 0.05
    """99.9 percentile of the differences of scores: also says something where nothing is detected."""
    mean_iou: Fraction = 0.9
    """Least mean overlap of detections that belong together."""
    score_shift: Fraction = 0.05
    """Mean difference of their scores, up or down."""
    unmatched: Fraction = 0.1
    """Share of the detections at the threshold that have no partner at or above its own."""
    AP: Fraction | None = None
    """Largest difference, up or down: for what should be the same to the digit."""
    AP50: Fraction = 0.005
    """Largest fall."""
    differing_pictures: Fraction = 0.02
    """Share of the pictures where one says something and the other nothing; one picture is always allowed."""


class ParityConfig(Section):
    """When a bundle is as good as the trained model; not a part of recipes, but the home of its defaults."""

    raw_score: Fraction = 0.01
    """Points are compared where either scores as much."""
    fp32: Tolerance = Tolerance(
        boxes=0.05,
        scores=1e-4,
        mean_iou=0.999,
        score_shift=1e-4,
        unmatched=0.01,
        AP=1e-4,
        AP50=1e-3,
        differing_pictures=0.001,
    )
    fp16: Tolerance = Tolerance()
    bf16: Tolerance = Tolerance()
    int8: Tolerance = Tolerance(unmatched=0.15)


class ExportConfig(Section):
    """How a bundle is quantised; not a part of recipes, but the home of its defaults."""

    calibration_split: str = "calibration"
    """Where a data set has none, the training pictures serve."""
    calibration_pictures: PositiveInt = 128
    """Drawn evenly from the split."""
    AP50_loss: Fraction = 0.005
    """More than this, and the most sensitive layers stay in float."""


class CalibrationConfig(Section):
    """How thresholds of OK and NG are chosen; not a part of recipes, but the home of its defaults."""

    split: str = "calibration"
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """Of every bound."""
    stated_escape_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    """Told is how many bad parts it takes to state this, where no rate is asked for."""
    own_threshold_parts: PositiveInt = 30
    """Bad parts that show a class, from which on it gets a threshold of its own; the others share one."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the halves: thresholds are chosen on one, bounds are computed on the other."""


class DriftConfig(Section):
    """How a drift watch is set; not a part of recipes, but the home of its defaults."""

    pictures_per_alarm: PositiveFloat = 10_000.0
    """Mean number of pictures between two false alarms, all statistics together."""
    least_drift: PositiveFloat = 0.4
    """Standard deviations of a statistic between pictures: a smaller drift of its mean is not looked for."""
    least_pictures: PositiveInt = 50
    """In a baseline."""
    embedding_axes: PositiveInt = 8
    """Directions in which embeddings may vary without being new."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the streams that the limit is set by."""


class Recipe(Section):
    """One training run, complete: what a checkpoint carries and a run folder records."""

    weights: str | None = None
    """What training starts from: a run folder, a model file, or the name of weights that come with the package;
    None starts from random weights."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    loss: LossConfig = LossConfig()
    distillation: DistillationConfig = DistillationConfig()
    training: TrainingConfig = TrainingConfig()
    detection: DetectionConfig = DetectionConfig()

    @model_validator(mode="after")
    def _check_batch_divides(self) -> Self:
        if self.training.batch_size % self.training.accumulate:
            raise ValueError(
                f"training.batch_size {self.training.batch_size} is not a multiple of "
                f"training.accumulate {self.training.accumulate}"
            )
        return self
