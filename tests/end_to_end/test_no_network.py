"""Nothing in the product touches the network, and neither do the libraries under it.

Every command runs as a process of its own under ``no_network/sitecustomize.py``, which records Python code that
asks for the internet, and lets the kernel end native code that does. What would report to a web service also keeps
an identity in the home folder; there must be none. On Windows the telemetry of ONNX Runtime goes to the system's
own event log, which these tests don't see.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

GUARD = Path(__file__).parent / "no_network"
RUNTIMES = [name for name in ("onnxruntime", "openvino") if find_spec(name)]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
needs_kernel_filter = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the filter is for Linux on x86-64"
)
IDENTITIES = (".cache/Microsoft", "intel")
"""Where ONNX Runtime and OpenVINO keep theirs."""
TINY = ("model.image_size=[64,64]", "model.channels=1", "training.epochs=2", "training.batch_size=8")


@dataclass(frozen=True)
class Place:
    """A folder whose processes are kept from the network.

    Attributes:
        folder: Where they run.
        record: What they tried.
    """

    folder: Path
    record: Path

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(GUARD),
            "SDGASNET_NETWORK_RECORD": str(self.record),
            "HOME": str(self.folder / "home"),
        }
        for name in ("CI", "TF_BUILD", "JENKINS_URL"):  # where libraries switch their telemetry off by themselves
            environment.pop(name, None)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def sdgasnet(self, *arguments: str) -> str:
        done = self.python("-m", "sdgasnet", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not self.tried(), self.tried()
        assert not [name for name in IDENTITIES if (self.folder / "home" / name).exists()]
        return done.stdout + done.stderr

    def tried(self) -> str:
        return self.record.read_text(encoding="utf-8") if self.record.exists() else ""


def make_place(folder: Path) -> Place:
    (folder / "home").mkdir()
    return Place(folder, folder / "network.txt")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


ATTEMPTS = {
    "connect": "import socket; socket.create_connection(('192.0.2.1', 80))",
    "datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 80))",
    "IPv6": "import socket; socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "name": "import socket; socket.gethostbyname('example.com')",
    "page": "import urllib.request; urllib.request.urlopen('https://example.com')",
    "child process": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', 'import socket; socket.socket()'], check=True)",
    "forked": "import multiprocessing, socket\n"
    "child = multiprocessing.get_context('fork').Process(target=socket.socket); child.start(); child.join()\n"
    "raise SystemExit(child.exitcode)",
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_is_refused_and_recorded(place: Place, attempt: str) -> None:
    done = place.python("-c", ATTEMPTS[attempt])
    assert done.returncode == 1
    assert "the test allows no network" in done.stderr
    assert place.tried()


@needs_kernel_filter
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_native_code_is_ended(place: Place, family: str) -> None:
    code = f"import ctypes, socket; ctypes.CDLL(None).socket(socket.{family}, socket.SOCK_STREAM, 0)"
    done = place.python("-c", code)
    assert done.returncode == -signal.SIGSYS, done.stderr


@needs_kernel_filter
def test_native_code_gets_no_datagram_socket(place: Place) -> None:
    done = place.python(
        "-c", "import ctypes, socket; print(ctypes.CDLL(None).socket(socket.AF_INET, socket.SOCK_DGRAM, 0))"
    )
    assert (done.returncode, done.stdout) == (0, "-1\n")


def test_processes_of_one_program_may_talk(place: Place) -> None:
    code = """
import multiprocessing, socket
socket.socketpair()
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        print(sum(pool.map(abs, [-1, -2])))
"""
    (place.folder / "talk.py").write_text(code, encoding="utf-8")
    done = place.python("talk.py")
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    assert not place.tried()


@pytest.mark.skipif(find_spec("openvino_telemetry") is None, reason="OpenVINO is not installed")
def test_openvino_by_itself_would_be_caught(place: Place) -> None:
    assert place.python("-c", "import openvino").returncode == 0
    assert "getaddrinfo" in place.tried()


def write_data(place: Place) -> None:
    place.sdgasnet("data", "synth", "made", "--images", "14", "--image-size", "64", "--surface", "cast")
    place.sdgasnet("data", "check", "made")
    place.sdgasnet("data", "split", "made", "data", "--parts", "train=0.6,val=0.4")


def test_data(place: Place) -> None:
    write_data(place)
    (place.folder / "boards").mkdir()
    board = np.full((64, 64), 255, np.uint8)
    board[24:40] = 0
    cv2.imwrite(str(place.folder / "boards" / "good.png"), board)
    place.sdgasnet("data", "plant", "boards", "planted", "--val-share", "0")


@needs_torch
def test_from_packaged_weights_to_detections(place: Place) -> None:
    place.sdgasnet("data", "synth", "data", "--images", "2", "--image-size", "64")
    place.sdgasnet("export", "procedural", "part.sdg")
    for runtime in RUNTIMES:
        place.sdgasnet("predict", "part.sdg", "data", "--runtime", runtime, "--out", f"by-{runtime}")


@needs_torch
@pytest.mark.slow
def test_from_labelled_pictures_to_detections(place: Place) -> None:
    write_data(place)
    place.sdgasnet("train", "--data", "data", "--name", "run", *TINY)
    run = next(path.parent for path in place.folder.rglob("last.pt"))
    place.sdgasnet("val", str(run), "data")
    place.sdgasnet("predict", str(run), "data", "--out", "by-model")
    place.sdgasnet("export", str(run), "part.sdg")
    place.sdgasnet("export", str(run), "part8.sdg", "--precision", "int8", "--calibration", "data", "--force")
    place.sdgasnet("parity", "part.sdg", "data", "--reference", str(run))
    for runtime in RUNTIMES:
        for bundle in ("part.sdg", "part8.sdg"):
            place.sdgasnet("predict", bundle, "data", "--runtime", runtime, "--out", f"by-{runtime}")
        place.sdgasnet("val", "part.sdg", "data", "--runtime", runtime)
    place.sdgasnet("benchmark", "part.sdg", "data", "--seconds", "0.02")
    place.sdgasnet("tune", "part.sdg", "--seconds", "0.5")
    place.sdgasnet("data", "suspect", "data", str(run), "--html", "labels.html")
    size = ("--image-size", "64", "--surface", "cast")
    place.sdgasnet("data", "synth", "bad", "--images", "30", *size, "--seed", "8", "--good-share", "0")
    place.sdgasnet("data", "synth", "good", "--images", "30", *size, "--seed", "9", "--good-share", "1")
    judged = ("bad", "--split", "train", "--good", "good")
    aim = ("--escape-cost", "100", "--overkill-cost", "1", "-o", "rules.yaml")
    place.sdgasnet("calibrate", "part.sdg", *judged, *aim)
    place.sdgasnet("bundle", "decide", "part.sdg", "rules.yaml", "-o", "decided.sdg")
    place.sdgasnet("bundle", "baseline", "decided.sdg", "bad", "good", "-o", "watched.sdg")
    place.sdgasnet("drift", "watched.sdg", "bad", "good")
    place.sdgasnet("report", "watched.sdg", *judged, "--calibration", "calibration.json", "-o", "report.html")
