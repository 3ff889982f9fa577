from __future__ import annotations

import dataclasses
import io
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdgasnet.config.loading import build_recipe
from sdgasnet.errors import ModelError, OutputError
from sdgasnet.models.checkpoint import (
    SCHEMA_VERSION,
    ModelFile,
    build_network,
    read_document,
    read_model,
    write_model,
)
from sdgasnet.models.network import Network


@pytest.fixture
def model(trained_network: Callable[..., Network]) -> ModelFile:
    network = trained_network("n")
    recipe = build_recipe({"model": {"preset": "n", "image_size": [96, 160]}, "detection": {"iou_threshold": 0.5}})
    names = ("pit", "scratch", "ölfleck", "d", "e", "f")
    return ModelFile(recipe, names, network.state_dict(), ("ab" * 32, "cd" * 32), 7, {"AP": 0.5})


@pytest.fixture
def stored(model: ModelFile, tmp_path: Path) -> Path:
    write_model(model, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = torch.load(path, weights_only=True)
    replaced = change(document)
    torch.save(document if replaced is None else replaced, path)


def test_reads_back_what_was_written(model: ModelFile, stored: Path) -> None:
    read = read_model(stored)
    for field in dataclasses.fields(ModelFile):
        if field.name != "weights":
            assert getattr(read, field.name) == getattr(model, field.name), field.name
    assert read.weights.keys() == model.weights.keys()
    assert all(torch.equal(read.weights[name], value) for name, value in model.weights.items())


def test_the_built_network_says_what_the_written_one_said(
    model: ModelFile, stored: Path, trained_network: Callable[..., Network]
) -> None:
    images = torch.rand(1, 3, 96, 160)
    with torch.no_grad():
        said, wanted = build_network(read_model(stored))(images), trained_network("n")(images)
    assert all(torch.equal(a, b) for a, b in zip(said[:3], wanted[:3], strict=True))


def test_a_checkpoint_of_training_opens_as_a_model(model: ModelFile, tmp_path: Path) -> None:
    last = tmp_path / "last.pt"
    write_model(model, last, {"optimizer": {"step": 3}})
    assert read_model(last).epoch == 7
    assert read_document(last)["training"] == {"optimizer": {"step": 3}}


def test_a_run_folder_means_its_best_model(model: ModelFile, tmp_path: Path) -> None:
    write_model(model, tmp_path / "last.pt")
    assert read_model(tmp_path).epoch == 7
    write_model(dataclasses.replace(model, epoch=3), tmp_path / "best.pt")
    assert read_model(tmp_path).epoch == 3


def test_nothing_but_the_file_is_left(stored: Path) -> None:
    assert [path.name for path in stored.parent.iterdir()] == ["model.pt"]


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """The system refuses to write more than 100 kB into a file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files_only")
def test_where_space_runs_out_the_old_file_stays(model: ModelFile, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"the old one")
    with pytest.raises(OutputError, match=r"model\.pt can't be written: File too large"):
        write_model(model, path)
    assert path.read_bytes() == b"the old one"
    assert [item.name for item in tmp_path.iterdir()] == ["model.pt"]


def test_missing_file_and_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        read_model(tmp_path / "nothing.pt")
    with pytest.raises(ModelError, match=r"holds neither best\.pt nor last\.pt"):
        read_model(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "noise.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="no model file, or it is damaged"):
        read_model(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_cut_file_is_refused(stored: Path, share: float) -> None:
    content = stored.read_bytes()
    stored.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="damaged"):
        read_model(stored)


def test_one_changed_byte_in_a_weight_is_noticed(model: ModelFile, stored: Path) -> None:
    content = bytearray(stored.read_bytes())
    weight = model.weights["head.levels.0.class_conv.conv.weight"].contiguous().numpy().tobytes()
    content[content.index(weight) + 5] ^= 1
    stored.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        read_model(stored)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "code.pt"
    torch.save({"schema_version": 1, "model": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(ModelError, match="no model file"):
        read_model(path)


def test_another_torch_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelError, match="not one that sdgasnet train wrote"):
        read_model(path)


def test_a_newer_schema_says_what_to_do(stored: Path) -> None:
    rewrite(stored, lambda document: document.update(schema_version=SCHEMA_VERSION + 1))
    with pytest.raises(ModelError, match=rf"schema version {SCHEMA_VERSION + 1}.*Install a newer sdgasnet"):
        read_model(stored)


@pytest.mark.parametrize("key", ["recipe", "weights", "class_names", "image_hashes", "epoch", "metrics"])
def test_an_entry_that_is_missing_is_named(stored: Path, key: str) -> None:
    rewrite(
        stored, lambda document: {**document, "model": {k: v for k, v in document["model"].items() if k != key}}
    )
    with pytest.raises(ModelError, match=f"not complete.*{key}"):
        read_model(stored)


def test_a_recipe_of_another_version_names_the_key_and_the_way_out(stored: Path) -> None:
    rewrite(stored, lambda document: document["model"]["recipe"]["model"].update(depth=3))
    with pytest.raises(ModelError, match=r"(?s)model\.depth.*version of sdgasnet that wrote it"):
        read_model(stored)


def test_weights_that_do_not_fit_are_named_shortly(model: ModelFile) -> None:
    fewer = dict(model.weights)
    del fewer["head.levels.1.box_predictor.bias"]
    with pytest.raises(ModelError, match=r"1 weights don't fit.*head\.levels\.1\.box_predictor\.bias"):
        build_network(dataclasses.replace(model, weights=fewer))
    with pytest.raises(ModelError, match=r"class_predictor") as caught:
        build_network(dataclasses.replace(model, class_names=("one",)))
    assert len(str(caught.value)) < 300


def test_stored_values_are_plain(model: ModelFile) -> None:
    """So that ``weights_only`` reads them, in this version and in later ones."""
    buffer = io.BytesIO()
    torch.save(model.to_state(), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True)["recipe"]["model"]["image_size"] == [96, 160]


@pytest.mark.parametrize("weights", [[1, 2], None, {"a": "text"}, {1: 2}])
def test_weights_that_are_none_are_refused(stored: Path, weights: object) -> None:
    rewrite(stored, lambda document: {**document, "model": {**document["model"], "weights": weights}})
    with pytest.raises(ModelError, match="not complete"):
        read_model(stored)
