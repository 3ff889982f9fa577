"""A model as it is shipped: one folder, or one ``.sdg`` archive of the same files, verified when it is opened."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from sdgasnet.data.write import new_folder, require_new
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.rules_file import parse_rules, require_reachable_counts
from sdgasnet.errors import ConfigError, ModelError
from sdgasnet.output import write_bytes
from sdgasnet.runtime.manifest import MANIFEST_NAME, Manifest, Precision, read_manifest
from sdgasnet.runtime.session import ModelSpec
from sdgasnet.runtime.signature import SIGNATURE_NAME, require_signature, sign

ARCHIVE_SUFFIX = ".sdg"
GRAPH_NAME = "model.onnx"
FLOAT_GRAPH_NAME = "model_fp32.onnx"
"""The graph in float, in a bundle of another precision."""
DECISION_NAME = "decision.yaml"
"""The rules that make a picture NG, in bundles that have some."""


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; every byte was compared with its digest.

    Attributes:
        path: Where it was opened.
        manifest: What it says of itself.
        files: Name -> content.
        signed: Whether it holds a signature, by whomever.
    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]
    signed: bool = False

    def graph(self, precision: Precision) -> bytes:
        """The ONNX graph of a precision.

        Raises:
            ModelError: The bundle has none.
        """
        found = self.manifest.graphs.get(precision)
        if found is None:
            raise ModelError(
                f"Bundle {self.path} has no graph in {precision}, only in {', '.join(self.manifest.graphs)}. "
                f"Export it again with --precision {precision}."
            )
        return self.files[found.file]

    @property
    def rules(self) -> DecisionRules | None:
        """What makes a picture NG; None if it was not decided.

        Raises:
            ModelError: Its rules are not valid.
        """
        if DECISION_NAME not in self.files:
            return None
        try:
            return parse_rules(self.files[DECISION_NAME], f"in {DECISION_NAME}", self.manifest.class_names)
        except ConfigError as error:
            raise ModelError(f"Bundle {self.path}: {error}") from None

    def decided(self, rules: bytes, origin: str) -> Bundle:
        """The same model with rules, in place of any that it has; comments in them are kept.

        Args:
            rules: YAML of :class:`~sdgasnet.decision.rules.DecisionRules`.
            origin: Where it comes from, for the message.

        Returns:
            To be written with :func:`write_bundle`; it is not signed.

        Raises:
            ConfigError: The rules are not valid, or do not fit the model.
        """
        checked = parse_rules(rules, origin, self.manifest.class_names)
        for graph in self.manifest.graphs.values():
            require_reachable_counts(checked, graph.detection, origin)
        return replace(self, files={**self.files, DECISION_NAME: rules}, signed=False)

    @property
    def digest(self) -> str:
        """One SHA-256 for all of it, the same for a folder and an archive."""
        return digest(self.manifest.model_dump_json().encode())

    def spec(self, precision: Precision) -> ModelSpec:
        """What one must know of the model in it, with the thresholds of a graph.

        Raises:
            ModelError: The bundle has no such graph, or its rules are not valid.
        """
        self.graph(precision)
        taken = self.manifest.input
        detection = self.manifest.graphs[precision].detection
        names = self.manifest.class_names
        return ModelSpec(
            names, taken.image_size, taken.channels, detection, str(self.path), self.rules, taken.paired
        )


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a bundle: a folder with a manifest, or a file with the suffix of archives."""
    return (path / MANIFEST_NAME).is_file() or (path.suffix == ARCHIVE_SUFFIX and path.is_file())


def require_place(path: Path) -> None:
    """Find out before long work whether a bundle can be written there.

    Raises:
        OutputError: It would be a folder, and something is in its place.
    """
    if path.suffix != ARCHIVE_SUFFIX:
        require_new(path)


def write_bundle(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Write a bundle, whole or not at all.

    Args:
        path: New folder, or archive if it ends in ``.sdg``; an existing archive is replaced.
        manifest: Its ``files`` are filled in here.
        files: Name -> content.

    Raises:
        OutputError: It can't be written, or the folder holds something.
    """
    digests = {name: digest(content) for name, content in sorted(files.items())}
    complete = manifest.model_copy(update={"files": digests})
    everything = {MANIFEST_NAME: (complete.model_dump_json(indent=2) + "\n").encode(), **files}
    if path.suffix == ARCHIVE_SUFFIX:
        write_bytes(path, pack_archive(everything))
        return
    with new_folder(path) as folder:
        for name, content in everything.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def pack_archive(files: Mapping[str, bytes]) -> bytes:
    """A zip without compression; the same files give the same bytes."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name), content)
    return buffer.getvalue()


def open_bundle(path: Path, public_key: Path | None = None) -> Bundle:
    """Open and verify a bundle.

    Args:
        path: Folder or archive.
        public_key: Ed25519 key, PEM, that it must be signed with; None takes it unsigned.

    Raises:
        ConfigError: There is no such key in the file.
        MissingExtraError: Checking a signature needs the extra ``sign``.
        ModelError: It is none, a file is missing, was changed or is not listed, or its schema is newer; or it is
            not signed with the key.
    """
    return _verify(path, _read_files(path), public_key)


def sign_bundle(path: Path, private_key: Path) -> Bundle:
    """Write a signature into a bundle, which is verified before.

    Args:
        path: Folder or archive.
        private_key: Ed25519 key, PEM without a passphrase.

    Raises:
        ConfigError: There is no such key in the file.
        MissingExtraError: Signing needs the extra ``sign``.
        ModelError: The bundle is damaged.
        OutputError: It can't be written.
    """
    found = _read_files(path)
    bundle = _verify(path, dict(found), None)
    signature = sign(found[MANIFEST_NAME], private_key)
    if path.is_file():
        write_bytes(path, pack_archive({**found, SIGNATURE_NAME: signature}))
    else:
        write_bytes(path / SIGNATURE_NAME, signature)
    return bundle


def _verify(path: Path, found: dict[str, bytes], public_key: Path | None) -> Bundle:
    if MANIFEST_NAME not in found:
        raise ModelError(f"{path} is no bundle: it holds no {MANIFEST_NAME}.")
    content, signature = found.pop(MANIFEST_NAME), found.pop(SIGNATURE_NAME, None)
    if public_key is not None:
        require_signature(content, signature, public_key, str(path))
    try:
        values = json.loads(content)
    except ValueError:
        raise ModelError(f"Bundle {path}: {MANIFEST_NAME} is damaged. Copy or export the model again.") from None
    manifest = read_manifest(values, str(path))
    for name, expected in manifest.files.items():
        if name not in found:
            raise ModelError(f"Bundle {path} is not complete: {name} is missing. Copy or export the model again.")
        if digest(found[name]) != expected:
            raise ModelError(
                f"Bundle {path}: {name} was changed or damaged since it was exported; its SHA-256 is not the one "
                "in the manifest. Copy or export the model again."
            )
    if unlisted := sorted(found.keys() - manifest.files.keys()):
        raise ModelError(f"Bundle {path} holds {unlisted[0]}, which its manifest does not list. Remove it.")
    for graph in manifest.graphs.values():
        if graph.file not in found:
            raise ModelError(f"Bundle {path} lists no {graph.file}. Export the model again.")
    return Bundle(path, manifest, found, signature is not None)


def digest(content: bytes) -> str:
    """SHA-256 as hexadecimal text."""
    return hashlib.sha256(content).hexdigest()


def _read_files(path: Path) -> dict[str, bytes]:
    if not path.exists():
        raise ModelError(f"Bundle {path} does not exist. Expected a folder or a {ARCHIVE_SUFFIX} file.")
    return _read_archive(path) if path.is_file() else _read_folder(path)


def _read_folder(path: Path) -> dict[str, bytes]:
    try:
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    except OSError as error:
        raise ModelError(f"Bundle {path} can't be read: {error}.") from None


def _read_archive(path: Path) -> dict[str, bytes]:
    try:
        with ZipFile(path) as archive:
            return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    except (OSError, BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(
            f"Bundle {path} can't be read: {error}. Expected a {ARCHIVE_SUFFIX} archive; copy or export it again."
        ) from None
