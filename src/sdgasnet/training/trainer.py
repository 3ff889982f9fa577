"""The training loop: plain, from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.tensorboard import SummaryWriter

from sdgasnet.config.schema import Recipe
from sdgasnet.data.fingerprint import image_hashes
from sdgasnet.data.index import require_split
from sdgasnet.data.records import DatasetIndex
from sdgasnet.data.split import draw_share
from sdgasnet.errors import ConfigError, SDGASNetError, TrainingError
from sdgasnet.evaluation.average_precision import compute_average_precision
from sdgasnet.evaluation.measure import detect_records
from sdgasnet.losses.detection import LossTerms
from sdgasnet.models.checkpoint import ModelFile, read_document, read_model, write_model
from sdgasnet.models.deploy import normalise
from sdgasnet.models.network import Network
from sdgasnet.models.session import TorchSession
from sdgasnet.models.weights import IMAGENET, load_weights
from sdgasnet.runtime.detector import Detector
from sdgasnet.training.checkpoint import capture_training, restore_training
from sdgasnet.training.distillation import DistillationObjective, load_teacher
from sdgasnet.training.ema import build_ema
from sdgasnet.training.graphed import GraphedNetwork
from sdgasnet.training.launch import (
    is_first_process,
    keep_norms,
    launch_fabric,
    leave_processes,
    normaliser_reduction,
    synchronise_norms,
)
from sdgasnet.training.loader import Batch, EpochBatches, TrainingSet, build_loader
from sdgasnet.training.objective import DetectionObjective, Objective
from sdgasnet.training.optim import build_optimizer, learning_rate_factor, set_learning_rate
from sdgasnet.training.run_folder import RunFolder

TERMS = LossTerms._fields
STEPS_FOR_STATISTICS = 100
"""Steps after which running statistics have forgotten their start: 0.97 to this power is 5 %."""


class TrainingProgress(Protocol):
    """Who is told how far the training is; the command line draws bars from it."""

    def note(self, text: str) -> None:
        """Something worth a line: which teacher, which start weights."""

    def pictures_read(self, count: int, total: int) -> None:
        """Pictures decoded into memory before the first step."""

    def epoch_started(self, epoch: int, epochs: int, steps: int) -> None:
        """``epoch`` counts from 1."""

    def step_done(self, terms: dict[str, float]) -> None:
        """One optimiser step is done."""

    def validating(self, count: int, total: int) -> None:
        """Pictures of the val split measured so far."""

    def epoch_done(self, row: dict[str, Any]) -> None:
        """The row that went into ``metrics.csv``."""


@dataclass
class _State:
    """What the loop carries from epoch to epoch."""

    epoch: int = 0
    best: float = -1.0
    without_gain: int = 0
    seconds: float = 0.0


class Trainer:
    """One training run.

    Args:
        recipe: Complete recipe.
        index: The data set.
        run: Its folder.
        progress: Who is told.
    """

    def __init__(self, recipe: Recipe, index: DatasetIndex, run: RunFolder, progress: TrainingProgress) -> None:
        self.recipe = recipe
        self.index = index
        self.run = run
        self.progress = progress
        labelled = require_split(index, recipe.data.train_split)
        self.train_records = draw_share(labelled, recipe.data.train_share, recipe.training.seed)
        self.val_records = require_split(index, recipe.data.val_split)
        self.state = _State()

    def fit(self, resume: bool) -> ModelFile:
        """Train to the last epoch.

        Args:
            resume: Go on from ``last.pt``.

        Returns:
            The model of the last epoch (averaged weights).

        Raises:
            TrainingError: The loss is not finite; ``last.pt`` keeps the last good epoch.
            ImageError: A picture can't be read.
        """
        config = self.recipe.training
        fabric = launch_fabric(config)
        self._hashes = image_hashes(self.train_records) if fabric.is_global_zero else ()
        torch.manual_seed(config.seed)
        plain = Network(self.recipe.model, len(self.index.class_names))
        if self.recipe.weights is not None and not resume:
            self.progress.note(load_weights(plain, self.recipe.weights, self.index.class_names).summary())
        network = synchronise_norms(plain, fabric)
        if config.channels_last:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.to(fabric.device)
        ema = build_ema(network, config)
        optimizer = build_optimizer(network, config)
        if resume:
            self._restore(network, optimizer, ema)
        graphed = config.cuda_graphs and fabric.world_size == 1 and config.accumulate == 1
        wrapped, wrapped_optimizer = fabric.setup(GraphedNetwork(network) if graphed else network, optimizer)
        objective = self._build_objective(fabric)
        batches = EpochBatches(
            len(self.train_records), config.batch_size, config.seed, fabric.global_rank, fabric.world_size
        )
        total = len(self.train_records)
        dataset = TrainingSet(self.train_records, self.recipe, lambda n: self.progress.pictures_read(n, total))
        loader = build_loader(dataset, batches, config.workers)
        writer = SummaryWriter(str(self.run.events)) if fabric.is_global_zero else None
        while self.state.epoch < config.epochs and not self._should_stop():
            started = time.perf_counter()
            batches.epoch = self.state.epoch
            objective.start_epoch(self.state.epoch)
            self.progress.epoch_started(self.state.epoch + 1, config.epochs, len(batches))
            wrapped.train()
            if self._keeps_norms(len(batches)):
                keep_norms(network)
            sums = dict.fromkeys(TERMS, 0.0)
            for step, batch in enumerate(loader, start=self.state.epoch * len(batches)):
                rate = self._learning_rate(step, len(batches))
                set_learning_rate(optimizer, rate)
                terms = training_step(fabric, wrapped, wrapped_optimizer, objective, batch, self.recipe)
                self._require_finite(terms, step)
                ema.update_parameters(network)
                self.progress.step_done(terms)
                for name in TERMS:
                    sums[name] += terms[name] / len(batches)
            self.state.epoch += 1
            row = {"epoch": self.state.epoch, **sums, "learning_rate": rate}
            train_seconds = time.perf_counter() - started
            self._finish_epoch(fabric, network, optimizer, ema, {**row, "train_seconds": train_seconds}, writer)
        if writer is not None:
            writer.close()
        leave_processes()
        return self._model_file(ema, {})

    def _build_objective(self, fabric: Fabric) -> Objective:
        """Detection alone, or under a teacher where the recipe names one."""
        distillation = self.recipe.distillation
        if distillation.teacher is None or distillation.kind == "none":
            return DetectionObjective(self.recipe, normaliser_reduction(fabric))
        teacher, description = load_teacher(self.recipe, self.index.class_names)
        self.progress.note(description)
        if self.recipe.training.channels_last:
            teacher = teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        teacher.to(fabric.device)
        return DistillationObjective(self.recipe, normaliser_reduction(fabric), teacher, fabric.autocast)

    def _finish_epoch(
        self,
        fabric: Fabric,
        network: nn.Module,
        optimizer: Optimizer,
        ema: AveragedModel,
        row: dict[str, Any],
        writer: SummaryWriter | None,
    ) -> None:
        """Measure, write checkpoints and logs; all on the first process, the others wait."""
        config = self.recipe.training
        if fabric.is_global_zero:
            started = time.perf_counter()
            is_last = self.state.epoch == config.epochs
            metrics: dict[str, float] = {}
            if is_last or self.state.epoch % config.validate_every == 0:
                metrics = self._validate(ema, fabric.device)
            model = self._model_file(ema, metrics)
            is_best = metrics.get("AP", -1.0) > self.state.best
            if metrics:
                self.state.best = max(self.state.best, metrics["AP"])
                self.state.without_gain = 0 if is_best else self.state.without_gain + 1
            validate_seconds = time.perf_counter() - started
            self.state.seconds += row["train_seconds"] + validate_seconds
            if is_best:
                write_model(model, self.run.best)
            write_model(model, self.run.last, self._training_state(network, optimizer, ema))
            row = {
                **row,
                "validate_seconds": validate_seconds,
                **{k: metrics.get(k, "") for k in ("AP", "AP50", "AP75")},
            }
            self.run.append_metrics(row)
            if writer is not None:
                for name, value in row.items():
                    if name != "epoch" and value != "":
                        writer.add_scalar(name, value, self.state.epoch)
            self.progress.epoch_done(row)
        if fabric.world_size > 1:
            self.state = fabric.broadcast(self.state, src=0)

    def _validate(self, ema: AveragedModel, device: torch.device) -> dict[str, float]:
        detector = Detector(TorchSession(self._model_file(ema, {}), "training", device))
        found = detect_records(detector, self.val_records, self.progress.validating)
        truth = [record.objects for record in self.val_records]
        measured = compute_average_precision(found, truth, self.index.class_names)
        return {name: getattr(measured, name) or 0.0 for name in ("AP", "AP50", "AP75")}

    def _model_file(self, ema: AveragedModel, metrics: dict[str, float]) -> ModelFile:
        weights = {name: value.detach().cpu().clone() for name, value in ema.module.state_dict().items()}
        return ModelFile(self.recipe, self.index.class_names, weights, self._hashes, self.state.epoch, metrics)

    def _training_state(self, network: nn.Module, optimizer: Optimizer, ema: AveragedModel) -> dict[str, Any]:
        return {
            **capture_training(network, optimizer, ema),
            "best": self.state.best,
            "without_gain": self.state.without_gain,
            "seconds": self.state.seconds,
            "content_hash": self.index.content_hash,
        }

    def _restore(self, network: nn.Module, optimizer: Optimizer, ema: AveragedModel) -> None:
        model, saved = read_model(self.run.last), read_document(self.run.last).get("training")
        if saved is None:
            raise TrainingError(f"{self.run.last} holds a model but no training state; it can't be resumed.")
        if saved["content_hash"] != self.index.content_hash:
            raise TrainingError(
                f"The data set at {self.index.root} has changed since {self.run.path} was started. "
                "Start a new run, or put the data back as it was."
            )
        restore_training(saved, model.weights, network, optimizer, ema)
        self.state = _State(model.epoch, saved["best"], saved["without_gain"], saved["seconds"])
        if is_first_process():
            self.run.drop_metrics_from(model.epoch)

    def _learning_rate(self, step: int, steps_per_epoch: int) -> float:
        config = self.recipe.training
        factor = learning_rate_factor(
            step,
            config.epochs * steps_per_epoch,
            int(config.warmup_epochs * steps_per_epoch),
            config.final_learning_rate_ratio,
        )
        return config.learning_rate * factor

    def _keeps_norms(self, steps_per_epoch: int) -> bool:
        """Whether this epoch is a plain one, and the norms have statistics to keep."""
        augmentation = self.recipe.augmentation
        composed = max(0, self.recipe.training.epochs - augmentation.plain_last_epochs)
        from_model = self.recipe.weights not in (None, IMAGENET)
        has_some = from_model or composed * steps_per_epoch >= STEPS_FOR_STATISTICS
        return augmentation.plain_norms == "kept" and has_some and self.state.epoch >= composed

    def _require_finite(self, terms: dict[str, float], step: int) -> None:
        if not all(-float("inf") < value < float("inf") for value in terms.values()):
            kept = (
                f"{self.run.last} keeps epoch {self.state.epoch}"
                if self.run.last.is_file()
                else "No epoch was finished"
            )
            raise TrainingError(
                f"The loss is not finite at step {step} (epoch {self.state.epoch + 1}): {terms}. {kept}. "
                "Lower training.learning_rate, or set training.precision=fp32."
            )

    def _should_stop(self) -> bool:
        patience = self.recipe.training.patience
        return patience > 0 and self.state.without_gain >= patience


def training_step(
    fabric: Fabric, network: Any, optimizer: Any, objective: Objective, batch: Batch, recipe: Recipe
) -> dict[str, float]:
    """One optimiser step, cut into ``accumulate`` backward passes.

    Each part is divided by its own normaliser, so that accumulation equals the whole batch only where the parts
    hold alike sums of target scores.

    Returns:
        The terms of the loss, mean over the parts.
    """
    parts = recipe.training.accumulate
    sums = torch.zeros(len(TERMS), device=fabric.device)
    optimizer.zero_grad()
    for number, (images, targets) in enumerate(cut_batch(batch, parts), start=1):
        pixels = normalise(fabric.to_device(images))
        with fabric.no_backward_sync(network, enabled=number < parts):
            terms = objective(network, pixels, targets.to(fabric.device))
            fabric.backward(terms.total / parts)
        sums += torch.stack([value.detach() for value in terms]) / parts
    if recipe.training.gradient_clip > 0:
        fabric.clip_gradients(network, optimizer, max_norm=recipe.training.gradient_clip, error_if_nonfinite=False)
    totals = dict(zip(TERMS, sums.tolist(), strict=True))
    if all(-float("inf") < value < float("inf") for value in totals.values()):
        optimizer.step()
    return totals


def cut_batch(batch: Batch, parts: int) -> Sequence[tuple[Tensor, Any]]:
    """The batch in parts of equal size."""
    if parts == 1:
        return [(batch.images, batch.targets)]
    pieces = [tensor.chunk(parts) for tensor in (batch.images, *batch.targets)]
    return [(images, type(batch.targets)(*rest)) for images, *rest in zip(*pieces, strict=True)]


def require_class_names(recipe: Recipe, index: DatasetIndex) -> None:
    """Refuse a recipe whose class names are not those of the data set.

    Raises:
        ConfigError: They differ; the message lists both.
    """
    wanted = recipe.data.class_names
    if wanted is not None and wanted != index.class_names:
        raise ConfigError(
            f"data.class_names is {list(wanted)}, but {index.root} has {list(index.class_names)}. "
            "Correct the recipe, or leave data.class_names out to take those of the data set."
        )


def fit(
    recipe: Recipe, index: DatasetIndex, run_path: Path, resume: bool, progress: TrainingProgress
) -> ModelFile:
    """Train, in a new run folder or in one that was interrupted; a run without a checkpoint leaves no folder.

    Args:
        recipe: Complete recipe.
        index: The data set, already checked.
        run_path: Folder of the run.
        resume: Go on with the run in the folder.
        progress: Who is told.

    Returns:
        The model of the last epoch.
    """
    require_class_names(recipe, index)
    for split in (recipe.data.train_split, recipe.data.val_split):
        require_split(index, split)
    if resume:
        run = RunFolder.reopen(run_path)
    else:
        run = RunFolder.create(run_path, recipe) if is_first_process() else RunFolder(run_path)
    try:
        return Trainer(recipe, index, run, progress).fit(resume)
    except (SDGASNetError, KeyboardInterrupt):
        if is_first_process():
            run.remove_if_abandoned()
        raise
