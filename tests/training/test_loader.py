from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdgasnet.config.loading import build_recipe
from sdgasnet.data.records import DatasetIndex, ImageRecord, ObjectRecord
from sdgasnet.errors import ImageError, TrainingError
from sdgasnet.training.augment import Sample
from sdgasnet.training.loader import EpochBatches, TrainingSet, build_loader, collate, report_unless_left

from .conftest import tiny_recipe


def test_processes_share_the_batches_of_one() -> None:
    whole = EpochBatches(50, 8, seed=3)
    parts = [EpochBatches(50, 4, seed=3, rank=rank, world_size=2) for rank in range(2)]
    for batches in (whole, *parts):
        batches.epoch = 5
    assert len(whole) == len(parts[0]) == 6
    for joint, first, second in zip(whole, *parts, strict=True):
        assert sorted(joint) == sorted(first + second)


def test_every_epoch_is_another_permutation_that_comes_again() -> None:
    batches = EpochBatches(32, 8, seed=0)
    seen = []
    for epoch in (0, 1, 0):
        batches.epoch = epoch
        seen.append([key for batch in batches for key in batch])
    assert sorted(index for _, index in seen[0]) == list(range(32))
    assert [index for _, index in seen[0]] != [index for _, index in seen[1]]
    assert seen[0] == seen[2]


def test_a_set_smaller_than_a_batch_is_one_batch() -> None:
    assert [len(batch) for batch in EpochBatches(5, 8, seed=0)] == [5]


def test_pictures_lie_still_in_the_plain_epochs_where_asked_for(index: DatasetIndex) -> None:
    values = tiny_recipe(epochs=2).model_dump()
    values["augmentation"] |= {
        "plain_last_epochs": 1,
        "plain_geometry": "still",
        "value": 0.0,
        "rotate": 0.0,
        "shear": 0.0,
    }
    records = index.splits["train"]
    dataset = TrainingSet(records, build_recipe(values))
    for number, record in enumerate(records):
        whole = cv2.imread(str(record.path), cv2.IMREAD_GRAYSCALE)
        flips = [whole, whole[::-1], whole[:, ::-1], whole[::-1, ::-1]]
        seen = dataset.sample(1, number)
        assert sum(np.array_equal(seen.image[:, :, 0], flip) for flip in flips) == 1
        assert len(seen.labels) == len(record.objects)
    moved = [dataset.sample(0, number).image[:, :, 0] for number in range(len(records))]
    assert not any(
        np.array_equal(image, cv2.imread(str(r.path), 0)) for image, r in zip(moved, records, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_do_not_depend_on_workers_or_cache(index: DatasetIndex, workers: int) -> None:
    def first_epoch(workers: int, cache: int) -> list[torch.Tensor]:
        recipe = tiny_recipe(workers=workers, cache_mebibytes=cache)
        dataset = TrainingSet(index.splits["train"], recipe)
        loader = build_loader(dataset, EpochBatches(len(dataset), 4, seed=0), workers)
        return [batch.images for batch in loader]

    reference, other = first_epoch(0, 100), first_epoch(workers, 0)
    assert len(reference) == 4
    assert all(torch.equal(a, b) for a, b in zip(reference, other, strict=True))


def test_batch_is_padded(index: DatasetIndex) -> None:
    dataset = TrainingSet(index.splits["train"], tiny_recipe())
    samples = [dataset[(0, i)] for i in range(4)]
    batch = collate(samples)
    assert batch.images.shape == (4, 64, 64, 1)
    assert batch.images.dtype == torch.uint8
    assert batch.targets.valid.sum(1).tolist() == [len(sample.labels) for sample in samples]
    for row, sample in enumerate(samples):
        number = len(sample.labels)
        assert np.allclose(batch.targets.boxes_xyxy[row, :number], sample.boxes_xyxy, atol=1e-4)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_breaks_is_named_in_a_plain_message(
    index: DatasetIndex, tmp_path: Path, workers: int
) -> None:
    broken = tmp_path / "broken.png"
    shutil.copy(index.splits["train"][3].path, broken)
    records = [*index.splits["train"][:3], replace(index.splits["train"][3], path=broken)]
    dataset = TrainingSet(records, tiny_recipe(cache_mebibytes=0))
    broken.write_bytes(b"text")
    with pytest.raises(ImageError, match=r"broken\.png") as caught:
        list(build_loader(dataset, EpochBatches(4, 4, seed=0), workers))
    assert "Traceback" not in str(caught.value)
    del caught  # holds the loader in a cycle
    with pytest.raises(ImageError, match=r"broken\.png"):
        TrainingSet(records, tiny_recipe())


def test_pictures_are_kept_up_to_the_limit_and_progress_is_told(index: DatasetIndex, tmp_path: Path) -> None:
    records = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((700, 1000), 40 * number, np.uint8))
        records.append(ImageRecord(path, path.name, ()))
    told: list[int] = []
    some = TrainingSet(records, tiny_recipe(cache_mebibytes=1), told.append)
    assert told == [1, 3]
    none = TrainingSet(records, tiny_recipe(cache_mebibytes=0))
    for picture in range(3):
        assert np.array_equal(some.sample(0, picture).image, none.sample(0, picture).image)
    for record in records[1:]:
        record.path.unlink()
    assert some.source(0).image[0, 0, 0] == 0
    with pytest.raises(ImageError, match=r"1\.png"):
        some.source(1)


def test_samples_depend_on_seed_epoch_and_picture_alone(index: DatasetIndex) -> None:
    def image(seed: int, epoch: int, picture: int) -> NDArray[Any]:
        return TrainingSet(index.splits["train"], tiny_recipe(seed=seed, epochs=30)).sample(epoch, picture).image

    reference = image(0, 1, 2)
    assert np.array_equal(reference, image(0, 1, 2))
    assert not any(np.array_equal(reference, image(*key)) for key in ((1, 1, 2), (0, 2, 2), (0, 1, 3)))


def test_mosaic_stops_for_the_last_epochs(index: DatasetIndex) -> None:
    recipe = tiny_recipe(epochs=12)
    dataset = TrainingSet([replace(index.splits["train"][0], objects=(ObjectRecord(0, (0, 0, 64, 64)),))], recipe)
    counts = [len(dataset.sample(epoch, 0).labels) for epoch in range(12)]
    assert recipe.augmentation.plain_last_epochs == 10
    assert max(counts[2:]) == 1
    assert max(counts[:2]) > 1


def test_depths_meet_in_a_batch_and_crowds_are_marked() -> None:
    def sample(dtype: type[np.generic], count: int) -> Sample:
        image: NDArray[Any] = np.full((4, 4, 1), np.iinfo(dtype).max, dtype)
        return Sample(image, np.arange(count), np.ones((count, 4)), np.arange(count) == 1)

    batch = collate([sample(np.uint8, 0), sample(np.uint16, 2)])
    assert batch.images.dtype == torch.uint16
    assert (batch.images.numpy() == 65535).all()
    assert batch.targets.valid.tolist() == [[False, False], [True, True]]
    assert batch.targets.crowd.tolist() == [[False, False], [False, True]]
    assert collate([sample(np.uint8, 0)]).targets.boxes_xyxy.shape == (1, 0, 4)


def test_more_processes_than_pictures_are_refused() -> None:
    with pytest.raises(TrainingError, match="3 pictures for 4 processes"):
        EpochBatches(3, 8, seed=0, rank=0, world_size=4)
    assert [len(batch) for batch in EpochBatches(3, 8, seed=0, rank=1, world_size=2)] == [1]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pass_leaves_global_random_numbers_alone(index: DatasetIndex, workers: int) -> None:
    dataset = TrainingSet(index.splits["train"], tiny_recipe())
    before = torch.get_rng_state()
    list(build_loader(dataset, EpochBatches(len(dataset), 8, seed=0), workers))
    assert torch.equal(before, torch.get_rng_state())


def test_kept_workers_give_the_epoch_that_is_set(index: DatasetIndex) -> None:
    dataset = TrainingSet(index.splits["train"], tiny_recipe())

    def passes(workers: int, epochs: Sequence[int]) -> list[list[torch.Tensor]]:
        batches = EpochBatches(len(dataset), 8, seed=0)
        loader = build_loader(dataset, batches, workers)
        assert len(loader) == 2
        found = []
        for epoch in epochs:
            batches.epoch = epoch
            found.append([batch.images for batch in loader])
        return found

    whole, late = passes(1, (0, 1, 2)), passes(0, (1, 2))
    for expected, found in zip(whole[1:], late, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


class Killer(TrainingSet):
    def sample(self, epoch: int, index: int) -> Sample:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().sample(epoch, index)


@pytest.mark.skipif(sys.platform != "linux", reason="loader processes are forked on Linux only")
def test_a_killed_worker_is_a_training_error(index: DatasetIndex) -> None:
    dataset = Killer(index.splits["train"], tiny_recipe())
    with pytest.raises(TrainingError, match=r"training\.workers=0"):
        list(build_loader(dataset, EpochBatches(len(dataset), 8, seed=0), 1))


def test_a_loader_process_reports_faults_but_not_that_the_other_end_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for error in (ConnectionResetError("gone"), BrokenPipeError("gone"), EOFError()):
        report_unless_left(type(error), error, None)
    assert capsys.readouterr().err == ""
    report_unless_left(ValueError, ValueError("a fault"), None)
    assert "a fault" in capsys.readouterr().err


INTERRUPTED = """
import sys
from pathlib import Path
from sdgasnet.config.loading import build_recipe
from sdgasnet.data.index import load_dataset
from sdgasnet.training.loader import EpochBatches, TrainingSet, build_loader

recipe = build_recipe({"model": {"image_size": [64, 64], "channels": 1}})
dataset = TrainingSet(load_dataset(Path(sys.argv[1])).splits["train"], recipe)
loader = build_loader(dataset, EpochBatches(len(dataset), 4, seed=0), 2)
try:
    while True:
        for _ in loader:
            print("batch", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_ctrl_c_is_left_to_the_training_process(surfaces: Path) -> None:
    """The whole group gets the signal, as from a terminal; the loader processes end and say nothing."""
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(surfaces)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted"
    assert errors == ""
    assert running.returncode == 0
