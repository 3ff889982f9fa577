"""``sdgasnet predict``: find defects in pictures and write what was found."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from glob import glob
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import typer

from sdgasnet.cli.background import BackgroundWriter
from sdgasnet.cli.opening import PrecisionOption, PublicKeyOption, RuntimeOption, ThreadsOption, open_detector
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.errors import ImageError, OutputError
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.draw import draw_detections
from sdgasnet.imaging.image import Image, find_images, read_image
from sdgasnet.output import GrowingFile, write_bytes, write_text
from sdgasnet.runtime.ahead import run_ahead
from sdgasnet.runtime.deployment import ANY_THREADS
from sdgasnet.runtime.detector import Detector
from sdgasnet.runtime.results import CSV_HEADER, to_coco_results, to_csv_rows, to_objects, to_yolo

SHOWN_NAMES = 10
READ_AHEAD = 8
"""Pictures that are held before the network."""


@dataclass
class Tally:
    """What became of the pictures."""

    pictures: int = 0
    with_detections: int = 0
    detections: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def predict(
    model: Annotated[
        Path,
        typer.Argument(help="Bundle, model file (.pt), run folder, or a packaged name: steel, board, textile."),
    ],
    sources: Annotated[list[str], typer.Argument(help="Pictures, folders, or patterns like 'line1/*.png'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for annotated pictures.")] = Path("predictions"),
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all detections as JSON.")] = None,
    as_csv: Annotated[Path | None, typer.Option("--csv", help="Write all detections as CSV.")] = None,
    as_coco: Annotated[Path | None, typer.Option("--coco", help="Write COCO results.")] = None,
    as_yolo: Annotated[Path | None, typer.Option("--yolo", help="Folder for YOLO text files.")] = None,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Write annotated pictures.")] = True,
    score_threshold: Annotated[
        float | None, typer.Option("--score-threshold", min=0.0, max=1.0, help="Instead of the model's own.")
    ] = None,
) -> None:
    """Find defects in pictures.

    A picture that can't be read does not stop the others: it is listed at the end, and the exit code is 1.
    """
    files = find_sources(sources, out)
    names = unique_names(files)
    refuse_overwriting(files, [out / f"{name}.png" for name in names if images], (as_json, as_csv, as_coco))
    detector = open_detector(
        model, "throughput" if len(files) > 1 else "latency", runtime, precision, threads, public_key
    )
    threshold = detector.spec.detection.score_threshold if score_threshold is None else score_threshold
    if score_threshold is not None:
        say(f"score threshold {threshold:g} instead of the model's {detector.spec.detection.score_threshold:g}")
    head = {
        "model": detector.spec.name,
        "class_names": list(detector.spec.class_names),
        "score_threshold": threshold,
        "score_threshold_overridden": score_threshold is not None,
    }
    tally = Tally()
    with ExitStack() as stack:
        writers = _Writers(stack, head, as_json, as_csv, as_coco)
        with counting_bar("detecting") as advance:
            # Reading the next pictures and writing the last ones goes on beside the network.
            read = partial(read_or_error, channels=detector.spec.channels)
            reading = run_ahead(read, files, workers=1, most_waiting=READ_AHEAD)
            outcomes = detect_readable(detector, reading, threshold)
            pictures = stack.enter_context(BackgroundWriter())
            for number, (file, name, outcome) in enumerate(zip(files, names, outcomes, strict=True), start=1):
                writers.add(str(file), outcome)
                if isinstance(outcome, ImageError):
                    tally.unreadable.append((str(file), str(outcome)))
                else:
                    found = outcome[1]
                    _count(tally, found)
                    if images:
                        pictures.submit(draw_and_write, out / f"{name}.png", *outcome, detector.spec.class_names)
                    if as_yolo is not None:
                        write_text(as_yolo / f"{name}.txt", to_yolo(found))
                advance(number, len(files))
        writers.finish()
    _say_summary(tally, out if images else None)
    if tally.unreadable:
        raise typer.Exit(1)


def find_sources(sources: Sequence[str], out: Path) -> list[Path]:
    """Picture files that the arguments mean, in order, each once.

    Args:
        sources: Pictures, folders, patterns.
        out: Folder of annotated pictures; those of an earlier run in it are not read with a folder around it.

    Raises:
        ImageError: An argument means nothing.
    """
    files: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = [file for file in find_images(path) if not _lies_in(file, out) or _lies_in(path, out)]
        elif path.exists():
            found = [path]
        else:
            found = [Path(match) for match in sorted(glob(source, recursive=True)) if Path(match).is_file()]
        if not found:
            raise ImageError(
                f"Nothing to read at {source!r}: expected a picture, a folder that holds some, or a pattern."
            )
        files.update(dict.fromkeys(found))
    return list(files)


def refuse_overwriting(files: Sequence[Path], pictures: Sequence[Path], others: Sequence[Path | None]) -> None:
    """Stop before anything is written where an output would replace a picture that is read.

    Raises:
        OutputError: It would.
    """
    sources = {file.resolve() for file in files}
    for path in (*pictures, *others):
        if path is not None and path.resolve() in sources:
            raise OutputError(
                f"{path} is one of the pictures to read; it would be overwritten. Choose another --out."
            )


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def unique_names(files: Sequence[Path]) -> list[str]:
    """Output names without suffix; files of one stem get parts of their folders, so that none is overwritten.

    Examples:
        >>> unique_names([Path("a/1.png"), Path("b/1.png"), Path("b/2.png")])
        ['a_1', 'b_1', '2']
        >>> unique_names([Path("a/1.png"), Path("a/1.jpg")])
        ['a_1.png', 'a_1.jpg']
    """
    stems = [file.stem for file in files]
    count = Counter(stems)
    names = [
        stem
        if count[stem] == 1
        else "_".join(part for part in (*file.parts[:-1], stem) if part not in ("/", ".."))
        for file, stem in zip(files, stems, strict=True)
    ]
    count = Counter(names)
    return [name if count[name] == 1 else name + file.suffix for file, name in zip(files, names, strict=True)]


def read_or_error(file: Path, channels: Literal[1, 3]) -> Image | ImageError:
    """The picture, or the error that kept it from being read."""
    try:
        return read_image(file, channels)
    except ImageError as error:
        return error


def detect_readable(
    detector: Detector, items: Iterable[Image | ImageError], threshold: float
) -> Iterator[tuple[Image, Detections] | ImageError]:
    """Pictures with their detections, and errors where they are, in the order of the items."""
    waiting: deque[Image | ImageError] = deque()

    def pictures() -> Iterator[Image]:
        for item in items:
            waiting.append(item)
            if not isinstance(item, ImageError):
                yield item

    for found in detector.detect_all(pictures(), batch_size=1, score_threshold=threshold):
        while isinstance(waiting[0], ImageError):
            yield waiting.popleft()  # type: ignore[misc]
        yield waiting.popleft(), found  # type: ignore[misc]
    while waiting:
        yield waiting.popleft()  # type: ignore[misc]


def draw_and_write(path: Path, image: Image, found: Detections, class_names: Sequence[str]) -> None:
    """Write the annotated picture as PNG.

    Raises:
        OutputError: It can't be written.
    """
    done, data = cv2.imencode(".png", draw_detections(image, found, class_names)[:, :, ::-1])
    if not done:
        raise OutputError(f"{path} can't be encoded as PNG.")
    write_bytes(path, data.tobytes())


class _Writers:
    """JSON, CSV and COCO files that grow picture by picture."""

    def __init__(
        self,
        stack: ExitStack,
        head: dict[str, Any],
        json_file: Path | None,
        csv_file: Path | None,
        coco: Path | None,
    ) -> None:
        def opened(path: Path | None) -> GrowingFile | None:
            return None if path is None else stack.enter_context(GrowingFile(path))

        self._class_names = head["class_names"]
        self._json, self._csv, self._coco = opened(json_file), opened(csv_file), opened(coco)
        self._pictures = 0
        self._coco_rows = 0
        if self._json is not None:
            self._json.write(json.dumps(head, indent=1).removesuffix("\n}") + ',\n "pictures": [')
        if self._csv is not None:
            self._csv.write(CSV_HEADER)
        if self._coco is not None:
            self._coco.write("[")

    def add(self, file: str, outcome: tuple[Image, Detections] | ImageError) -> None:
        """One more picture; COCO's ``image_id`` is its number, counted from 1."""
        self._pictures += 1
        if self._json is not None:
            entry = picture_entry(file, outcome, self._class_names)
            self._json.write((",\n  " if self._pictures > 1 else "\n  ") + json.dumps(entry))
        if isinstance(outcome, ImageError):
            return
        found = outcome[1]
        if self._csv is not None:
            self._csv.write(to_csv_rows(file, found, self._class_names))
        if self._coco is not None:
            for row in to_coco_results(self._pictures, file, found):
                self._coco.write((",\n" if self._coco_rows else "\n") + json.dumps(row))
                self._coco_rows += 1

    def finish(self) -> None:
        """Write the ends."""
        if self._json is not None:
            self._json.write("\n ]\n}\n")
        if self._coco is not None:
            self._coco.write("\n]\n")


def picture_entry(
    file: str, outcome: tuple[Image, Detections] | ImageError, class_names: Sequence[str]
) -> dict[str, Any]:
    """A picture in the JSON file: its size and detections, or its error."""
    if isinstance(outcome, ImageError):
        return {"file": file, "error": str(outcome)}
    found = outcome[1]
    return {"file": file, "size": list(found.source_size), "detections": to_objects(found, class_names)}


def _count(tally: Tally, found: Detections) -> None:
    tally.pictures += 1
    tally.with_detections += len(found) > 0
    tally.detections += len(found)


def _say_summary(tally: Tally, out: Path | None) -> None:
    say(f"{tally.pictures} pictures, {tally.with_detections} with defects, {tally.detections} defects in all")
    if out is not None and tally.pictures:
        say(f"annotated pictures: {out}")
    if tally.unreadable:
        say(f"{len(tally.unreadable)} pictures could not be read:")
        for _, message in tally.unreadable[:SHOWN_NAMES]:
            say(f"  {message}")
        if len(tally.unreadable) > SHOWN_NAMES:
            say(f"  and {len(tally.unreadable) - SHOWN_NAMES} more; all of them are in the JSON file")
