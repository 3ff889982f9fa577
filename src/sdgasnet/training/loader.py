"""Batches for training: the same ones whenever and wherever they are made."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sdgasnet.config.schema import Recipe
from sdgasnet.data.records import ImageRecord
from sdgasnet.imaging.image import Image, read_image
from sdgasnet.losses.assignment import Targets
from sdgasnet.training.augment import Sample, Source, augment, load_source, match_depth

Key = tuple[int, int]
"""(epoch, index of the picture)."""


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
        progress: Called with the number of pictures read so far while the cache is filled.

    Raises:
        ImageError: A picture can't be read; with the cache on, before the first sample.
    """

    def __init__(
        self, records: Sequence[ImageRecord], recipe: Recipe, progress: Callable[[int], None] | None = None
    ) -> None:
        self._records = list(records)
        self._recipe = recipe
        self._cache = self._fill_cache(progress)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        training, model = self._recipe.training, self._recipe.model
        compose = epoch < training.epochs - self._recipe.augmentation.plain_last_epochs
        rng = np.random.default_rng([training.seed, epoch, index])
        return augment(index, self.source, len(self), self._recipe.augmentation, model.image_size, rng, compose)

    def source(self, index: int) -> Source:
        """Picture and objects of one index, from memory if it is kept there."""
        record = self._records[index]
        image = (
            self._cache[index] if self._cache is not None else read_image(record.path, self._recipe.model.channels)
        )
        return load_source(record, image)

    def _fill_cache(self, progress: Callable[[int], None] | None) -> list[Image] | None:
        """All pictures, or None as soon as they need more than the recipe allows."""
        limit = self._recipe.training.cache_mebibytes * 2**20
        images: list[Image] = []
        used = 0
        for record in self._records:
            image = read_image(record.path, self._recipe.model.channels)
            used += image.nbytes
            if used > limit:
                return None
            images.append(image)
            if progress is not None:
                progress(len(images))
        return images


class EpochBatches(Sampler[list[Key]]):
    """Batches of one epoch: a permutation fixed by (seed, epoch), cut over the processes.

    All processes together take the same pictures at a step as one process with their joint batch size would.
    A last incomplete batch is dropped unless it is the only one; in that case it may be empty for a process.

    Args:
        count: Number of pictures.
        batch_size: Pictures a step and process.
        seed: The recipe's.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, count: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self._count = count
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, self._count // (self._batch_size * self._world_size))

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng([self._seed, self.epoch]).permutation(self._count)
        joint = self._batch_size * self._world_size
        for step in range(len(self)):
            chosen = order[step * joint : (step + 1) * joint]
            yield [(self.epoch, int(index)) for index in chosen[self._rank :: self._world_size]]


def collate(samples: Sequence[Sample]) -> Batch:
    """Join samples; objects are padded to the most a picture has, depth to the deepest."""
    dtype = np.result_type(*(sample.image.dtype for sample in samples))
    images = np.stack([match_depth(sample.image, dtype) for sample in samples])
    most = max(len(sample.labels) for sample in samples)
    batch = len(samples)
    targets = Targets(
        torch.zeros((batch, most), dtype=torch.int64),
        torch.zeros((batch, most, 4)),
        torch.zeros((batch, most), dtype=torch.bool),
        torch.zeros((batch, most), dtype=torch.bool),
    )
    for row, sample in enumerate(samples):
        number = len(sample.labels)
        targets.labels[row, :number] = torch.from_numpy(sample.labels)
        targets.boxes_xyxy[row, :number] = torch.from_numpy(sample.boxes_xyxy).float()
        targets.valid[row, :number] = True
        targets.crowd[row, :number] = torch.from_numpy(sample.crowd)
    return Batch(torch.from_numpy(images), targets)


def build_loader(dataset: TrainingSet, batches: EpochBatches, workers: int) -> DataLoader[Sample]:
    """A loader that gives a :class:`Batch` for each of ``batches.epoch``; set the epoch before every pass.

    Args:
        dataset: Samples.
        batches: Which samples, in which order.
        workers: Loading processes; 0 loads in this one.
    """
    return DataLoader(
        dataset,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
    )


def _start_worker(_: int) -> None:
    """One thread a worker, lower priority than the training process, and Ctrl-C left to the latter."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
