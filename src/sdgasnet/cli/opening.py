"""Open a trained model for a verb, without importing torch before it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sdgasnet.cli.progress import say
from sdgasnet.data.index import reorder_classes
from sdgasnet.data.records import DatasetIndex
from sdgasnet.errors import ConfigError, MissingExtraError, ModelError
from sdgasnet.runtime.bundle import digest, is_bundle, open_bundle
from sdgasnet.runtime.deployment import ANY_THREADS, Purpose, open_session
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.training_pictures import training_digests
from sdgasnet.runtime.tuning import choose_deployment

RuntimeOption = Annotated[
    Literal["auto", "onnxruntime", "openvino"],
    typer.Option(
        "--runtime", help="What a bundle runs in; auto: what tune found, else the faster that is installed."
    ),
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "int8"],
    typer.Option("--precision", help="What a bundle is computed in; auto: what tune found, else its own."),
]
ThreadsOption = Annotated[
    int,
    typer.Option("--threads", min=0, help="For the network of a bundle; 0: as tuned, or all cores."),
]

PublicKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--public-key", help="Ed25519 key, PEM: take only a bundle that was signed with its private key."
    ),
]


def open_detector(
    path: Path,
    purpose: Purpose,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
) -> Detector:
    """The detector of a bundle, model file or run folder.

    Args:
        path: Where it is.
        purpose: What it is opened for.
        runtime: For bundles. Model files run in torch.
        precision: For bundles.
        threads: For bundles.
        public_key: For bundles: the key that it must be signed with.

    Raises:
        ConfigError: A setting of bundles for something else.
        MissingExtraError: The runtime is not installed.
        ModelError: The model can't be opened.
    """
    if is_bundle(path):
        bundle = open_bundle(path, public_key)
        deployment = choose_deployment(bundle, purpose, runtime, precision, threads)
        say(f"runs in {deployment}")
        return Detector(open_session(bundle, deployment))
    if public_key is not None:
        raise ConfigError(
            f"--public-key asks for a signed bundle; {path} is no bundle. Export and sign it first: "
            "sdgasnet export MODEL OUT.sdg; sdgasnet bundle sign OUT.sdg --key private.pem"
        )
    if runtime != "auto" or precision != "auto" or threads != ANY_THREADS:
        raise ConfigError(
            f"--runtime, --precision and --threads are for bundles; {path} is none. "
            "Export it first: sdgasnet export MODEL OUT.sdg"
        )
    try:
        from sdgasnet.models.session import load_detector
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("train", f"Opening {path}, which is no bundle,") from None
    return load_detector(path)


def describe_way(
    path: Path, purpose: Purpose, runtime: RuntimeOption, precision: PrecisionOption, threads: ThreadsOption
) -> str:
    """What :func:`open_detector` runs a model in, in words.

    Raises:
        ModelError: The model can't be opened.
    """
    if not is_bundle(path):
        return "torch fp32"
    return str(choose_deployment(open_bundle(path), purpose, runtime, precision, threads))


def align_classes(index: DatasetIndex, class_names: tuple[str, ...], model: str) -> DatasetIndex:
    """The data set with its labels in the model's order of classes.

    Raises:
        ModelError: Model and data set have different classes.
    """
    if set(index.class_names) != set(class_names):
        raise ModelError(
            f"The classes differ. {model} knows {list(class_names)}; {index.root} has {list(index.class_names)}. "
            "Use the model that was trained on these classes."
        )
    return reorder_classes(index, class_names)


def known_training_pictures(path: Path) -> frozenset[str] | None:
    """SHA-256 of the pictures that a bundle, model file or run was trained on; None if it does not know them.

    Raises:
        ModelError: The model can't be opened.
    """
    if is_bundle(path):
        return training_digests(open_bundle(path))
    from sdgasnet.models.checkpoint import read_model

    return frozenset(read_model(path).image_hashes) - {""} or None


def model_digest(path: Path) -> str:
    """SHA-256 of a bundle or model file, hexadecimal.

    Raises:
        ModelError: There is none.
    """
    if is_bundle(path):
        return open_bundle(path).digest
    from sdgasnet.models.checkpoint import find_model_file

    return digest(find_model_file(path).read_bytes())
