"""Training a student under a frozen teacher: an objective like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdgasnet.config.schema import ModelConfig, Recipe
from sdgasnet.errors import TrainingError
from sdgasnet.losses.assignment import Targets
from sdgasnet.losses.detection import DetectionLoss, LossTerms
from sdgasnet.losses.distillation import (
    bernoulli_distillation,
    box_distillation,
    class_distillation,
    cosine_decay,
)
from sdgasnet.models.box_coding import anchor_points
from sdgasnet.models.checkpoint import ModelFile, build_network, read_model
from sdgasnet.models.deploy import fuse_branches
from sdgasnet.models.head import HeadOutputs
from sdgasnet.models.network import Network

PLAIN_TEMPERATURE = 1.0


class DistillationObjective:
    """The detection loss, and the divergence from a frozen teacher that sees the same pictures.

    Args:
        recipe: Weights and structure; ``distillation.kind`` is not ``none``.
        reduce_normaliser: See :class:`~sdgasnet.losses.detection.DetectionLoss`.
        teacher: What teaches, from :func:`load_teacher`.
        precision: Context that the teacher runs in, as the student does.

    Source:
        docs/method.md section 5: positives of the student's assignment, weights, decay [A].
    """

    def __init__(
        self,
        recipe: Recipe,
        reduce_normaliser: Callable[[Tensor], Tensor],
        teacher: nn.Module,
        precision: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self._loss = DetectionLoss(recipe.loss, recipe.model.reg_max, reduce_normaliser)
        self._recipe = recipe
        self._teacher = teacher
        self._precision = precision
        self._share = 1.0

    def start_epoch(self, epoch: int) -> None:
        """Set the weight of the teacher."""
        config = self._recipe.distillation
        fades = config.kind != "plain" and config.decay == "cosine"
        self._share = cosine_decay(epoch, self._recipe.training.epochs) if fades else 1.0

    def __call__(self, network: nn.Module, images: Tensor, targets: Targets) -> LossTerms:
        """Run both networks and compute the loss."""
        with torch.no_grad(), self._precision():
            taught = self._teacher(images)
        outputs = network(images)
        points, strides = anchor_points((int(images.shape[2]), int(images.shape[3])), images.device)
        assigned, normaliser = self._loss.assign(outputs, targets, points, strides)
        terms = self._loss.compute(outputs, assigned, normaliser, points, strides)
        weight = assigned.target_scores * assigned.positive
        term = self._share * self._divergence(outputs, taught, weight, normaliser)
        return terms._replace(total=terms.total + term, distillation=term.detach())

    def _divergence(self, outputs: HeadOutputs, taught: HeadOutputs, weight: Tensor, normaliser: Tensor) -> Tensor:
        config, symmetric = self._recipe.distillation, self._recipe.distillation.kind == "symmetric"
        is_plain = config.kind == "plain"
        temperature = PLAIN_TEMPERATURE if is_plain else config.temperature
        said = outputs.class_logits.float(), taught.class_logits.float()
        if config.kind == "bernoulli":
            classes = bernoulli_distillation(*said) / normaliser
        else:
            classes = class_distillation(*said, temperature, symmetric)
        classes = config.class_weight * classes
        if is_plain:
            return classes
        assert outputs.box_logits is not None
        assert taught.box_logits is not None
        learns = weight > 0
        said = outputs.box_logits[learns].float(), taught.box_logits[learns].float()
        boxes = box_distillation(*said, weight[learns], temperature, symmetric) / normaliser
        return classes + self._recipe.loss.distribution_weight * config.distribution_weight * boxes


class Ensemble(nn.Module):
    """Several networks as one: the means of their scores and of their distributions, as logits.

    Args:
        networks: Of the same classes, points and ``reg_max``.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> HeadOutputs:
        """``(B, C, H, W)`` to the outputs at all points; the embedding is that of the first network."""
        said: list[HeadOutputs] = [network(images) for network in self.networks]
        scores = torch.stack([outputs.class_logits.float() for outputs in said])
        # log(mean p / (1 - mean p)), without leaving the logarithms.
        class_logits = F.logsigmoid(scores).logsumexp(0) - F.logsigmoid(-scores).logsumexp(0)
        boxes = [outputs.box_logits for outputs in said if outputs.box_logits is not None]
        box_logits = torch.stack([logits.float().log_softmax(-1) for logits in boxes]).logsumexp(0)
        return HeadOutputs(class_logits, box_logits, said[0].embedding)


def load_teacher(recipe: Recipe, class_names: tuple[str, ...]) -> tuple[nn.Module, str]:
    """The teacher that a recipe names, or all of them as one; frozen and with fused branches.

    Args:
        recipe: The student's.
        class_names: The student's.

    Returns:
        The network, and a line that says what kind of teaching it is.

    Raises:
        ModelError: A file is missing or damaged.
        TrainingError: Teacher and student don't speak of the same things.
    """
    named = recipe.distillation.teacher
    assert named is not None
    if isinstance(named, str):
        network, described = _load_one(Path(named), recipe, class_names)
        return network, f"teacher: {described}"
    networks, described_each = zip(*(_load_one(Path(name), recipe, class_names) for name in named), strict=True)
    return Ensemble(networks), f"teachers, their mean: {', '.join(described_each)}"


def _load_one(path: Path, recipe: Recipe, class_names: tuple[str, ...]) -> tuple[Network, str]:
    model = read_model(path)
    require_comparable(model, recipe.model, class_names, path)
    teacher = build_network(model).eval()
    fuse_branches(teacher)
    if has_same_structure(model.recipe.model, recipe.model):
        kind = "self-distillation"
    else:
        kind = f"distillation from another network, preset {model.recipe.model.preset}"
    return teacher.requires_grad_(False), f"{path} after {model.epoch} epochs ({kind})"


def require_comparable(model: ModelFile, student: ModelConfig, class_names: tuple[str, ...], path: Path) -> None:
    """Refuse a teacher whose outputs can't be laid beside the student's.

    Raises:
        TrainingError: Names what differs.
    """
    teacher = model.recipe.model
    compared = {
        "class names": (list(model.class_names), list(class_names)),
        "model.channels": (teacher.channels, student.channels),
        "model.paired": (teacher.paired, student.paired),
        "model.reg_max": (teacher.reg_max, student.reg_max),
    }
    for name, (theirs, ours) in compared.items():
        if theirs != ours:
            raise TrainingError(
                f"The teacher {path} and the student differ in {name}: {theirs} and {ours}. "
                "Train the teacher on the same set with the same values, or change the student's recipe."
            )


def has_same_structure(teacher: ModelConfig, student: ModelConfig) -> bool:
    """Whether two networks are the same but for the box predictors and the size of their pictures."""
    ignored = {"box_predictors", "image_size"}
    return teacher.model_dump(exclude=ignored) == student.model_dump(exclude=ignored)
