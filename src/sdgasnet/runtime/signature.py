"""Ed25519 signatures: who made this bundle?

The manifest holds the SHA-256 of every file, so that a signature of its bytes covers the whole bundle. The file is
the bare signature, 64 bytes, which other programs can check, too:
``openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in manifest.json -sigfile manifest.sig``.

Source:
    Ed25519: RFC 8032; keys in PEM as ``openssl genpkey -algorithm ed25519`` writes them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sdgasnet.errors import ConfigError, MissingExtraError, ModelError

SIGNATURE_NAME = "manifest.sig"


def sign(manifest: bytes, private_key: Path) -> bytes:
    """Sign the bytes of a manifest.

    Args:
        manifest: As they stand in the bundle.
        private_key: PEM file without a passphrase.

    Returns:
        64 bytes.

    Raises:
        ConfigError: The file holds no such key.
        MissingExtraError: The extra ``sign`` is not installed.
    """
    require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read_key(private_key)
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise ConfigError(f"{private_key} is protected by a passphrase. Expected a key without one.") from None
    except Exception:  # cryptography has classes without a common base for what is wrong with a key
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"{private_key} holds no private Ed25519 key. Make one: "
            "openssl genpkey -algorithm ed25519 -out private.pem"
        )
    return key.sign(manifest)


def require_signature(manifest: bytes, signature: bytes | None, public_key: Path, origin: str) -> None:
    """Hold the bytes of a manifest against its signature.

    Args:
        manifest: As they stand in the bundle.
        signature: Content of its signature file; None if it has none.
        public_key: PEM file.
        origin: Which bundle, for the message.

    Raises:
        ConfigError: The file holds no such key.
        MissingExtraError: The extra ``sign`` is not installed.
        ModelError: There is no signature, or it is not of this key and these bytes.
    """
    require_cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _read_key(public_key)
    try:
        key = load_pem_public_key(content)
    except Exception:  # as above
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(
            f"{public_key} holds no public Ed25519 key. Make it from the private one: "
            "openssl pkey -in private.pem -pubout -out public.pem"
        )
    if signature is None:
        raise ModelError(
            f"Bundle {origin} is not signed, and --public-key asks for a signature. Sign it where the private key "
            f"is: sdgasnet bundle sign {origin} --key private.pem"
        )
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        raise ModelError(
            f"Bundle {origin} was not signed with the key that belongs to {public_key}, or its manifest was "
            "changed since. Don't use it before you know where it comes from."
        ) from None


def require_cryptography() -> None:
    """Find out before long work whether signatures can be made and checked.

    Raises:
        MissingExtraError: The extra ``sign`` is not installed.
    """
    if find_spec("cryptography") is None:
        raise MissingExtraError("sign", "Signing a bundle, or checking its signature,")


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"Key {path} can't be read: {error.strerror or error}.") from None
