"""``sdgasnet bundle``, and ``--public-key`` of every verb that opens a bundle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("cryptography")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sdgasnet.cli.main import main
from sdgasnet.data.surfaces.dataset import write_surfaces
from sdgasnet.export.build import build_bundle
from sdgasnet.models.checkpoint import read_model
from sdgasnet.runtime.bundle import sign_bundle, write_bundle

VERBS = {
    "predict": ["predict", "{}", "data/images/val", "--no-images"],
    "val": ["val", "{}", "data"],
    "parity": ["parity", "{}"],
    "benchmark": ["benchmark", "{}", "--seconds", "0.01"],
    "tune": ["tune", "{}", "--seconds", "0.1"],
    "verify": ["bundle", "verify", "{}"],
    "info": ["bundle", "info", "{}"],
    "decide": ["bundle", "decide", "{}", "rules.yaml", "-o", "decided.sdg"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys, an unsigned and a signed bundle, and labelled pictures."""
    folder = tmp_path_factory.mktemp("signed")
    for name in ("ours", "other"):
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(private)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.public.pem").write_bytes(public)
    manifest, files = build_bundle(read_model(Path("procedural")), "procedural", 8)
    for name in ("bare.sdg", "signed.sdg"):
        write_bundle(folder / name, manifest, files)
    sign_bundle(folder / "signed.sdg", folder / "ours.pem")
    write_surfaces(folder / "data", "mixed", {"val": 2}, (64, 64), 3, 0.1, "yolo")
    (folder / "rules.yaml").write_text("default: {score_threshold: 0.5}\n")
    return folder


def run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Exit code, and what was said on both streams."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["sdgasnet", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), " ".join((said.out + said.err).split())


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("bundle", "key", "expected"),
    [
        ("bare.sdg", "ours", "is not signed"),
        ("signed.sdg", "other", "was not signed with the key"),
        ("signed.sdg", "absent", "can't be read"),
    ],
)
def test_every_verb_refuses(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    bundle: str,
    key: str,
    expected: str,
) -> None:
    arguments = [argument.format(bundle) for argument in VERBS[verb]]
    code, said = run(place, monkeypatch, capsys, *arguments, "--public-key", f"{key}.public.pem")
    assert code == 2
    assert said.startswith("error: ")
    assert expected in said


@pytest.mark.parametrize("verb", ["predict", "val", "verify"])
def test_the_right_key_is_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    arguments = [argument.format("signed.sdg") for argument in VERBS[verb]]
    code, said = run(place, monkeypatch, capsys, *arguments, "--public-key", "ours.public.pem")
    assert code == 0, said


def test_what_is_no_bundle_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [argument.format("procedural") for argument in VERBS["predict"]]
    code, said = run(place, monkeypatch, capsys, *arguments, "--public-key", "ours.public.pem")
    assert code == 2
    assert "procedural is no bundle" in said


def test_signing_and_what_verify_says(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.sdg").write_bytes((place / "bare.sdg").read_bytes())
    new = str(tmp_path / "new.sdg")
    assert "not signed" in run(place, monkeypatch, capsys, "bundle", "verify", new)[1]
    code, said = run(place, monkeypatch, capsys, "bundle", "sign", new, "--key", "ours.pem")
    assert code == 0
    assert "signed; its comparison with the trained model: not run" in said
    assert "--public-key checks by whom" in run(place, monkeypatch, capsys, "bundle", "verify", new)[1]
    arguments = ["bundle", "verify", new, "--public-key", "ours.public.pem"]
    assert "signature verified" in run(place, monkeypatch, capsys, *arguments)[1]
    code, said = run(place, monkeypatch, capsys, "bundle", "sign", new, "--key", "ours.public.pem")
    assert code == 2
    assert "holds no private Ed25519 key" in said


def test_rules_go_into_a_new_bundle_and_are_applied(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules, new = tmp_path / "rules.yaml", str(tmp_path / "new.sdg")
    rules.write_text("# never\ndefault: {score_threshold: 1.0}\n")
    assert "rules none" in run(place, monkeypatch, capsys, "bundle", "info", "signed.sdg")[1]
    code, said = run(place, monkeypatch, capsys, "bundle", "decide", "signed.sdg", str(rules), "-o", new)
    assert code == 0
    assert said.endswith("sign it again")
    told = run(place, monkeypatch, capsys, "bundle", "info", new)[1]
    assert "signed no rules decision.yaml default: {score_threshold: 1.0}" in told
    code, said = run(place, monkeypatch, capsys, "predict", new, "data/images/val", "--no-images", "--fail-on-ng")
    assert (code, "2 verdicts: 2 OK, 0 NG" in said) == (0, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [("classes: {no-such: {}}", "does not know: no-such"), ("default: 1", "default"), (None, "can't be")],
)
def test_rules_that_do_not_fit_make_no_bundle(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    words: str,
) -> None:
    rules, new = tmp_path / "rules.yaml", tmp_path / "new.sdg"
    if text is not None:
        rules.write_text(text)
    code, said = run(place, monkeypatch, capsys, "bundle", "decide", "bare.sdg", str(rules), "-o", str(new))
    assert code == 2
    assert words in said
    assert not new.exists()
