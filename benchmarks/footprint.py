"""What detection without torch costs: installed size, import, first detection, memory.

    .venv/bin/python benchmarks/footprint.py

Installs the checkout into a fresh virtual environment, without any extra, and starts a fresh process for each
figure; then the same with the extra for OpenVINO. The bundle is preset n at 224x224 with the packaged start
weights, unless another is given. Files are in the system's cache, as after a first start. Processor time is given
beside the time on the clock, because other processes disturb it less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
from record import load_average, write_record

from sdgasnet.data.surfaces.synthesis import generate_surface

CHECKOUT = Path(__file__).parents[1]
TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
"""What a fresh environment holds already."""
LARGEST = 8
"""Folders that are named with their size."""
PROBE = """
import json, resource, sys, time
from pathlib import Path
bundle, picture, runtime, started = sys.argv[1:]
began = time.monotonic()
from sdgasnet.imaging.image import read_image
from sdgasnet.runtime.opening import open_bundle_detector
imported = time.monotonic()
detector = open_bundle_detector(Path(bundle), runtime=runtime)
opened = time.monotonic()
image = read_image(Path(picture), detector.spec.channels)
detector.detect(image)
detected = time.monotonic()
used = resource.getrusage(resource.RUSAGE_SELF)
for _ in range(50):
    detector.detect(image)
lines = (line.split() for line in open("/proc/self/status") if line.startswith(("VmHWM", "VmRSS")))
memory = {name: int(kib) / 1024 for name, kib, _ in lines}
print(json.dumps({
    "import_s": imported - began,
    "from_start_s": detected - float(started),
    "after_imports_s": detected - imported,
    "cpu_s": used.ru_utime + used.ru_stime,
    "peak_mib": memory["VmHWM:"],
    "resident_mib": memory["VmRSS:"],
}))
"""
"""One process: imports, opens a bundle, detects in a picture file, and then 50 times more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="instead of one that is made")
    parser.add_argument("--rounds", type=int, default=7, help="fresh processes for each figure")
    arguments = parser.parse_args()
    load = load_average()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = arguments.bundle or make_bundle(folder)
        picture = folder / "steel.jpg"
        cv2.imwrite(str(picture), generate_surface("steel", (200, 200), seed=2, index=1, good_share=0.0).image)
        subprocess.run([sys.executable, "-m", "venv", folder / "line"], check=True)
        for extra, runtime in (("", "onnxruntime"), ("[openvino]", "openvino")):
            install(folder / "line", extra)
            rows.append({"scope": "installed", "extra": extra, **measure_size(folder / "line")})
            found = [run_probe(folder / "line", bundle, picture, runtime) for _ in range(arguments.rounds)]
            spreads = {figure: spread([one[figure] for one in found]) for figure in found[0]}
            rows.append({"scope": "process", "model": "n", "runtime": runtime, "batch": 1, **spreads})
            print(json.dumps(rows[-2:], indent=1), flush=True)
    print(write_record("footprint", rows, ("onnxruntime", "openvino", "numpy", "opencv-python-headless"), load))


def make_bundle(folder: Path) -> Path:
    """Preset n at 224x224, with weights that detect something."""
    from detection_speed import build_model

    from sdgasnet.export.build import build_bundle
    from sdgasnet.runtime.bundle import write_bundle

    path = folder / "n.sdg"
    write_bundle(path, *build_bundle(build_model("n", 224), "n", 8))
    return path


def install(environment: Path, extra: str) -> None:
    """``pip install`` of the checkout."""
    options = ["--quiet", "--disable-pip-version-check", "--constraint", CHECKOUT / "constraints.txt"]
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", *options, f"{CHECKOUT}{extra}"], check=True)


def measure_size(environment: Path) -> dict[str, Any]:
    """Bytes of everything that was installed, with the byte code that pip compiles."""
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    sizes: dict[str, int] = {}
    compiled = 0
    for file in packages.rglob("*"):
        top = file.relative_to(packages).parts[0]
        if file.is_file() and not top.startswith(TOOLS):
            sizes[top] = sizes.get(top, 0) + file.stat().st_size
            compiled += file.stat().st_size if file.suffix == ".pyc" else 0
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:LARGEST]
    return {
        "mib": round(sum(sizes.values()) / 2**20, 1),
        "byte_code_mib": round(compiled / 2**20, 1),
        "largest_mib": {name: round(sizes[name] / 2**20, 1) for name in largest},
    }


def run_probe(environment: Path, bundle: Path, picture: Path, runtime: str) -> dict[str, float]:
    """Figures of one fresh process."""
    python = environment / "bin" / "python"
    command = [python, "-I", "-c", PROBE, bundle, picture, runtime, str(time.monotonic())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest, highest."""
    named = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, 3) for name, value in named.items()}


if __name__ == "__main__":
    main()
