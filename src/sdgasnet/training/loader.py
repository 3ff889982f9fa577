"""Batches for training: the same ones whenever and wherever they are made."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sdgasnet.config.schema import Recipe
from sdgasnet.data.records import ImageRecord
from sdgasnet.errors import ImageError, TrainingError
from sdgasnet.imaging.image import Image
from sdgasnet.imaging.template import read_input
from sdgasnet.losses.assignment import Targets
from sdgasnet.training.augment import Sample, Source, augment, load_source
from sdgasnet.training.photometric import match_depth

Key = tuple[int, int]
"""(epoch, index of the picture)."""

SAMPLE_STREAM, ORDER_STREAM = 0, 1
"""Keep the random numbers of samples and of their order apart where seed, epoch and index are equal."""
STILL = {"scale": 0.0, "translate": 0.0}
"""Augmentation of pictures that keep the size and the place that they have in use."""
PREFETCHED_BATCHES = 4
"""Batches that each loader process makes ahead."""


class Batch(NamedTuple):
    """Training pictures and what is on them.

    Attributes:
        images: ``(B, H, W, C)`` uint8 or uint16.
        targets: Their objects in canvas pixels.
    """

    images: Tensor
    targets: Targets


class TrainingSet(Dataset[Sample]):
    """Random samples of the training pictures, fixed by (seed, epoch, index).

    Args:
        records: Pictures with labels.
        recipe: Size, channels, augmentation, seed, cache.
        progress: Told the number of pictures read so far while memory is filled, and at the end the number of all.

    Raises:
        ImageError: A picture can't be read; those that are kept in memory, before the first sample.
    """

    def __init__(
        self, records: Sequence[ImageRecord], recipe: Recipe, progress: Callable[[int], None] | None = None
    ) -> None:
        self._records = list(records)
        self._recipe = recipe
        self._kept = self._read_ahead(progress or (lambda _: None))

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, key: Key) -> Sample:
        return self.sample(*key)

    def __getitems__(self, keys: Sequence[Key]) -> list[Sample] | ImageError:
        """Samples of a batch; a broken picture is a value, for torch would wrap a raised error in a traceback."""
        try:
            return [self.sample(*key) for key in keys]
        except ImageError as error:
            return error

    def sample(self, epoch: int, index: int) -> Sample:
        """The sample that an epoch, counted from 0, makes of a picture.

        Raises:
            ImageError: The picture, or one that it is combined with, can't be read.
        """
        training, augmentation = self._recipe.training, self._recipe.augmentation
        compose = epoch < training.epochs - augmentation.plain_last_epochs
        if not compose and augmentation.plain_geometry == "still":
            augmentation = augmentation.model_copy(update=STILL)
        rng = np.random.default_rng([training.seed, epoch, index, SAMPLE_STREAM])
        model = self._recipe.model
        return augment(index, self.source, len(self), augmentation, model.image_size, rng, compose, model.paired)

    def source(self, index: int) -> Source:
        """Picture and objects of one index, from memory if the picture is kept there."""
        record = self._records[index]
        kept = index < len(self._kept)
        image = self._kept[index] if kept else self._read(record)
        return load_source(record, image)

    def _read(self, record: ImageRecord) -> Image:
        return read_input(record.path, self._recipe.model.channels, self._recipe.model.paired)

    def _read_ahead(self, progress: Callable[[int], None]) -> list[Image]:
        """The first pictures, as many as may be kept; loader processes share them, for none is written to."""
        room = self._recipe.training.cache_mebibytes * 2**20
        kept: list[Image] = []
        for record in self._records if room else ():
            image = self._read(record)
            room -= image.nbytes
            if room < 0:
                break
            kept.append(image)
            progress(len(kept))
        progress(len(self._records))
        return kept


class EpochBatches(Sampler[list[Key]]):
    """Batches of one epoch: a permutation fixed by (seed, epoch), cut over the processes.

    All processes together take the same pictures at a step as one process with their joint batch size would.
    A last incomplete batch is dropped unless it is the only one.

    Args:
        count: Number of pictures.
        batch_size: Pictures a step and process.
        seed: The recipe's.
        rank: This process.
        world_size: Number of processes.

    Attributes:
        epoch: The epoch, counted from 0, that the next pass gives.

    Raises:
        TrainingError: There are fewer pictures than processes.
    """

    def __init__(self, count: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if count < world_size:
            raise TrainingError(
                f"The training split has {count} pictures for {world_size} processes; every process needs at "
                "least one. Lower training.devices or training.nodes."
            )
        self._count = count
        self._joint_size = batch_size * world_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, self._count // self._joint_size)

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch
        order = np.random.default_rng([self._seed, epoch, 0, ORDER_STREAM]).permutation(self._count)
        for step in range(len(self)):
            joint = order[step * self._joint_size : (step + 1) * self._joint_size]
            yield [(epoch, index) for index in joint[self._rank :: self._world_size].tolist()]


class Loader:
    """Batches, with errors as the rest of the package raises them.

    Args:
        batches: Gives batches, or the error that came instead of one.
    """

    def __init__(self, batches: DataLoader[Any]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        """One pass.

        Raises:
            ImageError: A picture can't be read.
            TrainingError: A loading process was killed.
        """
        try:
            for batch in self._batches:
                if isinstance(batch, ImageError):
                    # Not `batch` itself: its traceback would hold this frame and so the loader in a cycle, and
                    # torch waits seconds for loader processes that end by garbage collection.
                    raise ImageError(*batch.args)
                yield batch
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                f"A loading process was lost: {str(error).splitlines()[0]} Give it more memory (in a container "
                "also shared memory), lower training.workers, or load without processes: training.workers=0."
            ) from error


def build_loader(dataset: TrainingSet, batches: EpochBatches, workers: int) -> Loader:
    """A loader that gives, on every pass, the batches of ``batches.epoch``; set the epoch before the pass.

    Args:
        dataset: Samples.
        batches: Which samples, in which order.
        workers: Loading processes, kept between passes; 0 loads in this one.
    """
    return Loader(
        DataLoader(
            dataset,
            batch_sampler=batches,
            collate_fn=collate_or_pass,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCHED_BATCHES if workers else None,
            worker_init_fn=start_worker,
            # Forked processes share the pictures in memory; other ways of starting would copy them.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            # A generator of its own: starting a pass must not change torch's global random numbers.
            generator=torch.Generator(),
        )
    )


def collate_or_pass(samples: list[Sample] | ImageError) -> Batch | ImageError:
    """A batch, or the error that came instead."""
    return samples if isinstance(samples, ImageError) else collate(samples)


def collate(samples: Sequence[Sample]) -> Batch:
    """Join samples; objects are padded to the most a picture has, depth to the deepest."""
    dtype = np.result_type(*(sample.image.dtype for sample in samples))
    images = np.stack([match_depth(sample.image, dtype) for sample in samples])
    shape = len(samples), max(len(sample.labels) for sample in samples)
    targets = Targets(
        labels=torch.zeros(shape, dtype=torch.int64),
        boxes_xyxy=torch.zeros((*shape, 4)),
        valid=torch.zeros(shape, dtype=torch.bool),
        crowd=torch.zeros(shape, dtype=torch.bool),
    )
    for row, sample in enumerate(samples):
        number = len(sample.labels)
        targets.labels[row, :number] = torch.from_numpy(sample.labels)
        targets.boxes_xyxy[row, :number] = torch.from_numpy(sample.boxes_xyxy)
        targets.valid[row, :number] = True
        targets.crowd[row, :number] = torch.from_numpy(sample.crowd)
    return Batch(torch.from_numpy(images), targets)


def start_worker(_: int) -> None:
    """One thread a process, lower priority than the training process, and Ctrl-C left to the latter."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = report_unless_left
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)


def report_unless_left(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what went wrong in a loader process, but not that the training process left while taking a batch."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)
