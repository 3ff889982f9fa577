from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.errors import ConfigError, ModelError, OutputError
from sdgasnet.runtime.bundle import is_bundle, open_bundle, write_bundle
from sdgasnet.runtime.manifest import Graph, InputSpec, Manifest, Preparation, Training

FILES = {"model.onnx": b"graph" * 100, "README.md": b"# card\n", "reference/0/canvas.npy": bytes(range(256))}


def manifest() -> Manifest:
    return Manifest(
        name="steel",
        preset="n",
        precision="fp32",
        input=InputSpec(image_size=(64, 96), channels=1, bits=8),
        preparation=Preparation(padding=0.5),
        class_names=("pit", "crack"),
        graphs={"fp32": Graph(file="model.onnx", detection=DetectionConfig(score_threshold=0.3))},
        training=Training(epochs=3, metrics={"AP": 0.5}, pictures=7, pictures_digest="0" * 64),
        versions={"python": "3.11"},
        files={},
    )


@pytest.fixture(params=["folder", "archive.sdg"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    write_bundle(path, manifest(), FILES)
    return path


def change(path: Path, name: str, content: bytes | None) -> None:
    """Replace, add or remove one file of a bundle."""
    if path.is_dir():
        if content is None:
            (path / name).unlink()
        else:
            (path / name).write_bytes(content)
        return
    with ZipFile(path) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    files.pop(name, None)
    if content is not None:
        files[name] = content
    with ZipFile(path, "w") as archive:
        for entry, data in files.items():
            archive.writestr(entry, data)


def test_what_was_written_is_read(bundle: Path) -> None:
    assert is_bundle(bundle)
    opened = open_bundle(bundle)
    assert dict(opened.files) == FILES
    assert opened.manifest.model_copy(update={"files": {}}) == manifest()
    assert set(opened.manifest.files) == set(FILES)


def test_the_same_model_gives_the_same_archive(tmp_path: Path) -> None:
    for name in ("a.sdg", "b.sdg"):
        write_bundle(tmp_path / name, manifest(), FILES)
    assert (tmp_path / "a.sdg").read_bytes() == (tmp_path / "b.sdg").read_bytes()
    write_bundle(tmp_path / "a.sdg", manifest(), {**FILES, "README.md": b"other"})
    assert open_bundle(tmp_path / "a.sdg").files["README.md"] == b"other"


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_byte_is_noticed_in_every_file(bundle: Path, name: str) -> None:
    content = bytearray(FILES[name])
    content[len(content) // 2] ^= 1
    change(bundle, name, bytes(content))
    with pytest.raises(ModelError, match=f"{name} was changed or damaged"):
        open_bundle(bundle)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_noticed(bundle: Path, name: str) -> None:
    change(bundle, name, None)
    with pytest.raises(ModelError, match=f"{name} is missing"):
        open_bundle(bundle)


def test_a_file_that_is_not_listed_is_noticed(bundle: Path) -> None:
    change(bundle, "extra.bin", b"x")
    with pytest.raises(ModelError, match=r"extra\.bin, which its manifest does not list"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema_version", 2, "Install a newer sdgasnet"),
        ("class_names", None, "not valid at 'class_names'"),
        ("unknown", 1, "not valid at 'unknown'"),
        ("files", {"../../etc/passwd": "0" * 64}, "not valid at 'files"),
        ("files", {}, "does not list"),
        ("precision", "int8", "graphs holds no int8"),
    ],
)
def test_a_manifest_that_does_not_hold(bundle: Path, key: str, value: object, said: str) -> None:
    values = json.loads(manifest().model_dump_json()) | {key: value}
    if key == "unknown":
        values["files"] = {}
    change(bundle, "manifest.json", json.dumps(values).encode())
    with pytest.raises(ModelError, match=said):
        open_bundle(bundle)


def test_what_is_no_bundle(tmp_path: Path, bundle: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        open_bundle(tmp_path / "nothing.sdg")
    (tmp_path / "empty").mkdir()
    assert not is_bundle(tmp_path / "empty")
    with pytest.raises(ModelError, match=r"holds no manifest\.json"):
        open_bundle(tmp_path / "empty")
    change(bundle, "manifest.json", b"{not json")
    with pytest.raises(ModelError, match="is damaged"):
        open_bundle(bundle)


@pytest.mark.parametrize("kept", [0, 10, 300, -1])
def test_a_truncated_archive(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.sdg"
    write_bundle(path, manifest(), FILES)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"a\.sdg"):
        open_bundle(path)


def test_a_full_folder_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        write_bundle(tmp_path / "out", manifest(), FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_precision_that_is_not_in_it(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.graph("fp32") == FILES["model.onnx"]
    assert opened.spec("fp32").detection.score_threshold == 0.3
    with pytest.raises(ModelError, match="has no graph in int8, only in fp32"):
        opened.graph("int8")
    with pytest.raises(ModelError, match="--precision int8"):
        opened.spec("int8")


def test_a_graph_that_is_not_in_it(tmp_path: Path) -> None:
    graph = Graph(file="other.onnx", detection=DetectionConfig())
    write_bundle(tmp_path / "a.sdg", manifest().model_copy(update={"graphs": {"fp32": graph}}), FILES)
    with pytest.raises(ModelError, match=r"lists no other\.onnx"):
        open_bundle(tmp_path / "a.sdg")


def test_a_bundle_without_rules_has_none(bundle: Path) -> None:
    assert open_bundle(bundle).rules is None
    assert open_bundle(bundle).spec("fp32").rules is None


def test_rules_travel_in_the_bundle_with_their_comments(bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle)
    text = b"# agreed with quality assurance\nclasses: {crack: {max_count: 2}}\n"
    new = opened.decided(text, "rules.yaml")
    write_bundle(tmp_path / "new.sdg", new.manifest, new.files)
    written = open_bundle(tmp_path / "new.sdg")
    assert written.files["decision.yaml"] == text
    rules = written.spec("fp32").rules
    assert rules is not None
    assert rules.rule_of("crack").max_count == 2
    assert {**written.files, "decision.yaml": None} == {**FILES, "decision.yaml": None}
    assert written.digest != opened.digest
    other = written.decided(b"default: {min_length: 3}", "rules.yaml")
    assert other.rules is not None
    assert other.rules.classes == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"classes: {crak: {}}", "does not know: crak. It knows: pit, crack"),
        (b"default: {max_count: 300}", "at most 300 detections"),
        (b"default: {max: 3}", "unknown key 'default.max'"),
    ],
)
def test_rules_that_do_not_fit_are_refused(bundle: Path, text: bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        open_bundle(bundle).decided(text, "rules.yaml")


def test_rules_that_another_program_wrote_wrongly(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a.sdg", manifest(), {**FILES, "decision.yaml": b"classes: {crak: {}}"})
    with pytest.raises(ModelError, match=r"a\.sdg: Rules in decision\.yaml .* does not know: crak"):
        open_bundle(tmp_path / "a.sdg").spec("fp32")
