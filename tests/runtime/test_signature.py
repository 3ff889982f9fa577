from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.errors import ConfigError, ModelError
from sdgasnet.runtime.bundle import open_bundle, sign_bundle, write_bundle
from sdgasnet.runtime.manifest import MANIFEST_NAME, Graph, InputSpec, Manifest, Preparation, Training
from sdgasnet.runtime.signature import SIGNATURE_NAME, require_signature, sign

FILES = {"model.onnx": b"graph", "README.md": b"# card\n"}
# RFC 8032, section 7.1, test 3.
SECRET = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
MESSAGE = bytes.fromhex("af82")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def write_keys(folder: Path, name: str, key: Ed25519PrivateKey) -> tuple[Path, Path]:
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "ours", Ed25519PrivateKey.generate())


@pytest.fixture(params=["folder", "archive.sdg"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    manifest = Manifest(
        name="steel",
        preset="n",
        precision="fp32",
        input=InputSpec(image_size=(64, 96), channels=1, bits=8),
        preparation=Preparation(padding=0.5),
        class_names=("pit",),
        graphs={"fp32": Graph(file="model.onnx", detection=DetectionConfig())},
        training=Training(epochs=3, metrics={}, pictures=7, pictures_digest="0" * 64),
        versions={},
        files={},
    )
    write_bundle(path, manifest, FILES)
    return path


def rewrite(path: Path, name: str, change: bytes, to: bytes) -> None:
    """Change bytes of one file, and leave a whole archive."""
    if path.is_dir():
        content = (path / name).read_bytes()
        assert change in content
        (path / name).write_bytes(content.replace(change, to))
        return
    with ZipFile(path) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    assert change in files[name]
    files[name] = files[name].replace(change, to)
    with ZipFile(path, "w") as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)


def test_the_signature_is_that_of_the_standard(tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "rfc", Ed25519PrivateKey.from_private_bytes(SECRET))
    assert sign(MESSAGE, private) == SIGNATURE
    require_signature(MESSAGE, SIGNATURE, public, "x")


def test_a_signed_bundle_opens_with_the_key_and_without(bundle: Path, keys: tuple[Path, Path]) -> None:
    before = open_bundle(bundle)
    sign_bundle(bundle, keys[0])
    for opened in (open_bundle(bundle, keys[1]), open_bundle(bundle)):
        assert opened.signed
        assert (opened.files, opened.manifest, opened.digest) == (before.files, before.manifest, before.digest)
    assert not before.signed


def test_signing_again_replaces(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_keys(tmp_path, "other", Ed25519PrivateKey.generate())
    sign_bundle(bundle, other[0])
    sign_bundle(bundle, keys[0])
    open_bundle(bundle, keys[1])
    with pytest.raises(ModelError, match="was not signed with the key that belongs to"):
        open_bundle(bundle, other[1])


def test_an_unsigned_bundle_is_refused_where_a_key_is_given(bundle: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(ModelError, match="is not signed"):
        open_bundle(bundle, keys[1])


def test_a_changed_manifest_is_refused(bundle: Path, keys: tuple[Path, Path]) -> None:
    sign_bundle(bundle, keys[0])
    rewrite(bundle, MANIFEST_NAME, b'"pit"', b'"pot"')
    open_bundle(bundle)  # it is valid by itself: only the signature tells
    with pytest.raises(ModelError, match="was not signed with the key"):
        open_bundle(bundle, keys[1])


def test_a_changed_file_is_refused_whatever_its_manifest(bundle: Path, keys: tuple[Path, Path]) -> None:
    sign_bundle(bundle, keys[0])
    rewrite(bundle, "model.onnx", b"graph", b"grope")
    with pytest.raises(ModelError, match=r"model\.onnx was changed or damaged"):
        open_bundle(bundle, keys[1])


@pytest.mark.parametrize("signature", [b"", b"short", bytes(64)])
def test_what_is_no_signature_is_refused(tmp_path: Path, keys: tuple[Path, Path], signature: bytes) -> None:
    with pytest.raises(ModelError, match="was not signed with the key"):
        require_signature(b"{}", signature, keys[1], "x")


def test_a_damaged_bundle_is_not_signed(bundle: Path, keys: tuple[Path, Path]) -> None:
    rewrite(bundle, "model.onnx", b"graph", b"grope")
    with pytest.raises(ModelError, match="was changed or damaged"):
        sign_bundle(bundle, keys[0])


def test_keys_of_other_kinds_are_refused(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    curve = generate_private_key(SECP256R1())
    (tmp_path / "curve.pem").write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "text.pem").write_text("hello")
    for wrong in (public, tmp_path / "curve.pem", tmp_path / "text.pem"):
        with pytest.raises(ConfigError, match="holds no private Ed25519 key"):
            sign(b"{}", wrong)
    for wrong in (private, tmp_path / "text.pem"):
        with pytest.raises(ConfigError, match="holds no public Ed25519 key"):
            require_signature(b"{}", bytes(64), wrong, "x")
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    with pytest.raises(ConfigError, match="passphrase"):
        sign(b"{}", tmp_path / "locked.pem")
    with pytest.raises(ConfigError, match=r"gone\.pem can't be read"):
        sign(b"{}", tmp_path / "gone.pem")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_the_keys_and_checks_the_signature(bundle: Path, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> str:
        done = subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    openssl("genpkey", "-algorithm", "ed25519", "-out", "private.pem")
    openssl("pkey", "-in", "private.pem", "-pubout", "-out", "public.pem")
    sign_bundle(bundle, tmp_path / "private.pem")
    open_bundle(bundle, tmp_path / "public.pem")
    if not bundle.is_dir():
        shutil.unpack_archive(bundle, tmp_path / "unpacked", "zip")
        bundle = tmp_path / "unpacked"
    arguments = ["-pubin", "-inkey", "public.pem", "-rawin", "-in", str(bundle / MANIFEST_NAME)]
    said = openssl("pkeyutl", "-verify", *arguments, "-sigfile", str(bundle / SIGNATURE_NAME))
    assert "Verified Successfully" in said


def test_without_the_extra_the_error_names_it(bundle: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from sdgasnet.cli.main import main; sys.argv = ['sdgasnet', *sys.argv[1:]]; main()"
    )
    arguments = ["bundle", "verify", str(bundle), "--public-key", "public.pem"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "sdgasnet[sign]" in done.stderr
