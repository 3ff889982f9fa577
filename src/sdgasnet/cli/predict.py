"""``sdgasnet predict``: find defects in pictures and write what was found."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Annotated

import cv2
import typer

from sdgasnet.cli.background import BackgroundWriter
from sdgasnet.cli.opening import PrecisionOption, PublicKeyOption, RuntimeOption, ThreadsOption, open_detector
from sdgasnet.cli.predict_files import DetectionFiles, Outcome
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.templates import PlaceOption, TemplateOption, open_templates, read_picture
from sdgasnet.data.templates import Templates
from sdgasnet.decision.draw import draw_verdict
from sdgasnet.decision.parts import PartTally
from sdgasnet.decision.rules_file import read_rules
from sdgasnet.decision.verdict import UNREADABLE, Verdict
from sdgasnet.errors import ConfigError, ImageError, OutputError
from sdgasnet.imaging.draw import draw_detections
from sdgasnet.imaging.image import Image, find_images
from sdgasnet.imaging.template import picture_of
from sdgasnet.output import write_bytes, write_text
from sdgasnet.runtime.ahead import run_ahead
from sdgasnet.runtime.deployment import ANY_THREADS
from sdgasnet.runtime.detector import Detector, Inspection
from sdgasnet.runtime.results import PARTS_CSV_HEADER, to_part_row, to_yolo
from sdgasnet.runtime.session import ModelSpec

EXIT_UNREADABLE, EXIT_NG = 1, 3
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
    parts: PartTally | None = None
    """None where nothing is decided."""


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
    rules: Annotated[
        Path | None, typer.Option("--rules", help="YAML: what makes a picture NG; instead of the bundle's rules.")
    ] = None,
    as_parts: Annotated[
        Path | None, typer.Option("--parts", help="Write OK or NG of every part, and why, as CSV.")
    ] = None,
    fail_on_ng: Annotated[
        bool, typer.Option("--fail-on-ng", help="End with exit code 3 if a part is NG.")
    ] = False,
    template: TemplateOption = None,
    place: PlaceOption = None,
) -> None:
    """Find defects in pictures; with rules, in the bundle or from --rules, also say OK or NG.

    A picture that can't be read does not stop the others: it is listed at the end, the exit code is 1, and its
    part is NG. Otherwise the exit code is 0, whatever was found, unless --fail-on-ng is given.
    """
    files = find_sources(sources, out)
    names = unique_names(files)
    outputs = [*(out / f"{name}.png" for name in names if images), as_json, as_csv, as_coco, as_parts]
    refuse_overwriting(files, outputs)
    detector = open_detector(
        model, "throughput" if len(files) > 1 else "latency", runtime, precision, threads, public_key
    )
    templates = open_templates(template, place, detector.spec)
    if templates is not None:
        refuse_overwriting(templates.files, outputs)
    replaces = rules is not None and detector.spec.rules is not None
    if rules is not None:
        detector = detector.with_rules(read_rules(rules, detector.spec.class_names))
    decided = detector.spec.rules
    if decided is None and (as_parts is not None or fail_on_ng):
        raise ConfigError(
            f"--parts and --fail-on-ng need rules for OK and NG, and {model} has none. Give --rules FILE, such as "
            "configs/decision.yaml."
        )
    if decided is not None:
        for file in files:
            decided.part_of(str(file))
    threshold = detector.spec.detection.score_threshold if score_threshold is None else score_threshold
    if score_threshold is not None:
        say(f"score threshold {threshold:g} instead of the model's {detector.spec.detection.score_threshold:g}")
    head = {
        "model": detector.spec.name,
        "class_names": list(detector.spec.class_names),
        "score_threshold": threshold,
        "score_threshold_overridden": score_threshold is not None,
    }
    if templates is not None:
        head |= {"templates": str(template), "place": place}
    if decided is not None:
        head["rules"] = decided.model_dump(mode="json")
        head["rules_from"] = detector.spec.name if rules is None else str(rules)
        say(f"rules: {head['rules_from']}" + (" instead of the model's" if replaces else ""))
    tally = Tally(parts=None if decided is None else PartTally(decided))
    with ExitStack() as stack:
        writers = DetectionFiles(stack, head, decided, as_json, as_csv, as_coco)
        with counting_bar("detecting") as advance:
            # Reading the next pictures and writing the last ones goes on beside the network.
            read = partial(read_or_error, spec=detector.spec, templates=templates)
            reading = run_ahead(read, files, workers=1, most_waiting=READ_AHEAD)
            outcomes = inspect_readable(detector, reading, threshold)
            pictures = stack.enter_context(BackgroundWriter())
            for number, (file, name, outcome) in enumerate(zip(files, names, outcomes, strict=True), start=1):
                writers.add(str(file), outcome)
                _count(tally, str(file), outcome)
                if not isinstance(outcome, ImageError):
                    if images:
                        pictures.submit(draw_and_write, out / f"{name}.png", *outcome, detector)
                    if as_yolo is not None:
                        write_text(as_yolo / f"{name}.txt", to_yolo(outcome[1].detections))
                advance(number, len(files))
        writers.finish(tally.parts)
    if as_parts is not None and tally.parts is not None:
        write_text(as_parts, PARTS_CSV_HEADER + "".join(map(to_part_row, tally.parts)))
    _say_summary(tally, out if images else None)
    if tally.unreadable:
        raise typer.Exit(EXIT_UNREADABLE)
    if fail_on_ng and tally.parts is not None and tally.parts.ng:
        raise typer.Exit(EXIT_NG)


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


def refuse_overwriting(files: Sequence[Path], outputs: Sequence[Path | None]) -> None:
    """Stop before anything is written where an output would replace a picture that is read.

    Raises:
        OutputError: It would.
    """
    sources = {file.resolve() for file in files}
    for path in outputs:
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


def read_or_error(file: Path, spec: ModelSpec, templates: Templates | None) -> Image | ImageError:
    """The picture as the model takes it, or the error that kept it from being read."""
    try:
        return read_picture(file, spec, templates)
    except ImageError as error:
        return error


def inspect_readable(
    detector: Detector, items: Iterable[Image | ImageError], threshold: float
) -> Iterator[Outcome]:
    """Pictures with what was found in them, and errors where they are, in the order of the items."""
    waiting: deque[Image | ImageError] = deque()

    def pictures() -> Iterator[Image]:
        for item in items:
            waiting.append(item)
            if not isinstance(item, ImageError):
                yield item

    for found in detector.inspect_all(pictures(), batch_size=1, score_threshold=threshold):
        while isinstance(waiting[0], ImageError):
            yield waiting.popleft()  # type: ignore[misc]
        yield waiting.popleft(), found  # type: ignore[misc]
    while waiting:
        yield waiting.popleft()  # type: ignore[misc]


def draw_and_write(path: Path, image: Image, inspection: Inspection, detector: Detector) -> None:
    """Write the annotated picture, with the verdict if there is one, as PNG.

    Raises:
        OutputError: It can't be written.
    """
    names, rules = detector.spec.class_names, detector.spec.rules
    image = picture_of(image, detector.spec.paired)
    if rules is None or inspection.verdict is None:
        drawn = draw_detections(image, inspection.detections, names)
    else:
        drawn = draw_verdict(image, inspection.detections, names, inspection.verdict, rules)
    done, data = cv2.imencode(".png", drawn[:, :, ::-1])
    if not done:
        raise OutputError(f"{path} can't be encoded as PNG.")
    write_bytes(path, data.tobytes())


def _count(tally: Tally, file: str, outcome: Outcome) -> None:
    if isinstance(outcome, ImageError):
        tally.unreadable.append((file, str(outcome)))
        verdict: Verdict | None = UNREADABLE
    else:
        found, verdict = outcome[1].detections, outcome[1].verdict
        tally.pictures += 1
        tally.with_detections += len(found) > 0
        tally.detections += len(found)
    if tally.parts is not None and verdict is not None:
        tally.parts.add(file, verdict)


def _say_verdicts(parts: PartTally) -> None:
    say(f"{parts.ok + parts.ng} {'parts' if parts.grouped else 'verdicts'}: {parts.ok} OK, {parts.ng} NG")
    for part in islice((part for part in parts if part.verdict == "NG"), SHOWN_NAMES):
        more = len(part.reasons) - 1
        say(f"  NG {part.part}: {part.reasons[0]}" + (f"; reasons beside this: {more}" if more else ""))
    if parts.ng > SHOWN_NAMES:
        say(f"  and {parts.ng - SHOWN_NAMES} more; --json and --parts write all of them")


def _say_summary(tally: Tally, out: Path | None) -> None:
    say(f"{tally.pictures} pictures, {tally.with_detections} with defects, {tally.detections} defects in all")
    if tally.parts is not None:
        _say_verdicts(tally.parts)
    if out is not None and tally.pictures:
        say(f"annotated pictures: {out}")
    if tally.unreadable:
        say(f"{len(tally.unreadable)} pictures could not be read:")
        for _, message in tally.unreadable[:SHOWN_NAMES]:
            say(f"  {message}")
        if len(tally.unreadable) > SHOWN_NAMES:
            say(f"  and {len(tally.unreadable) - SHOWN_NAMES} more; all of them are in the JSON file")
