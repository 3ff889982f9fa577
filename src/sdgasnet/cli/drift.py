"""``sdgasnet drift``: does the line still look as it did? And the baseline that it is compared with."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from sdgasnet.cli.judged_pictures import refuse_training_pictures
from sdgasnet.cli.opening import PrecisionOption, PublicKeyOption, RuntimeOption, ThreadsOption
from sdgasnet.cli.progress import counting_bar, say
from sdgasnet.cli.templates import PlaceOption, TemplateOption, open_templates, read_picture
from sdgasnet.config.schema import DriftConfig
from sdgasnet.data.fingerprint import image_hashes
from sdgasnet.data.records import ImageRecord
from sdgasnet.data.templates import Templates, pair_hashes
from sdgasnet.errors import ConfigError, DataError, ImageError
from sdgasnet.evaluation.drift import fit_baseline
from sdgasnet.imaging.image import Image, find_images
from sdgasnet.imaging.template import picture_of
from sdgasnet.output import write_text
from sdgasnet.runtime.bundle import open_bundle, require_place, write_bundle
from sdgasnet.runtime.deployment import ANY_THREADS, open_session
from sdgasnet.runtime.detector import Detector, Inspection
from sdgasnet.runtime.drift import (
    BASELINE_NAME,
    Alarm,
    DriftBaseline,
    DriftWatch,
    WatchState,
    baseline_of,
    measure_picture,
    parse_state,
)
from sdgasnet.runtime.tuning import choose_deployment

DEFAULTS = DriftConfig()
ALARM_CODE = 3
BATCH_SIZE = 8

BundlePath = Annotated[Path, typer.Argument(help="Bundle that sdgasnet export wrote.")]
PicturesArgument = Annotated[list[Path], typer.Argument(help="Pictures or folders of them.")]


def baseline(
    bundle: BundlePath,
    pictures: PicturesArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="New bundle; a folder, or an archive (.sdg).")],
    pictures_per_alarm: Annotated[
        float, typer.Option("--pictures-per-alarm", min=100.0, help="Pictures between two false alarms.")
    ] = DEFAULTS.pictures_per_alarm,
    runtime: RuntimeOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    template: TemplateOption = None,
    place: PlaceOption = None,
) -> None:
    """Write a bundle that knows how pictures should look, for sdgasnet drift.

    Take pictures of the line as it should be, of parts as they come, that the model was not trained on: 50 at
    least, better 1000. The new bundle is not signed, and what sdgasnet tune found is not taken over.
    """
    opened = open_bundle(bundle, public_key)
    require_place(out)
    files = list_pictures(pictures)
    templates = open_templates(template, place, opened.spec("fp32"))
    records = [ImageRecord(file, str(file), ()) for file in files]
    hashes = image_hashes(records) if templates is None else pair_hashes(files, templates)
    refuse_training_pictures(bundle, records, hashes)
    deployment = choose_deployment(opened, "throughput", runtime, precision, threads)
    detector = Detector(open_session(opened, deployment))
    threshold = detector.spec.detection.score_threshold
    values: list[NDArray[np.float64]] = []
    embeddings: list[NDArray[np.float32]] = []
    with counting_bar("looking") as advance:
        for _, image, seen in look(detector, files, templates):
            values.append(measure_picture(image, seen, threshold, None))
            embeddings.append(seen.embedding)
            advance(len(values), len(files))
    settings = DEFAULTS.model_copy(update={"pictures_per_alarm": pictures_per_alarm})
    made = fit_baseline(
        np.array(values), np.array(embeddings), (deployment.runtime, deployment.precision), settings
    )
    write_bundle(out, opened.manifest, {**opened.files, BASELINE_NAME: made.model_dump_json().encode()})
    for name, text in describe_baseline(made).items():
        say(f"{name}: {text}")
    say(f"{out}: {bundle} with a baseline" + ("; sign it again" if opened.signed else ""))


def drift(
    bundle: BundlePath,
    pictures: PicturesArgument,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Where the watch stands, JSON: goes on from it, and writes it anew."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    threads: ThreadsOption = ANY_THREADS,
    public_key: PublicKeyOption = None,
    template: TemplateOption = None,
    place: PlaceOption = None,
) -> None:
    """Say which statistic of the pictures left its band, and since when. Ends with 3 if one did.

    Pictures are taken in the order given, those of a folder by name. The bundle needs a baseline: sdgasnet bundle
    baseline.
    """
    opened = open_bundle(bundle, public_key)
    known = baseline_of(opened)
    if known is None:
        raise ConfigError(
            f"{bundle} has no baseline to compare with. Give it one: sdgasnet bundle baseline {bundle} PICTURES "
            "-o NEW"
        )
    watch = DriftWatch(known, None if state is None else _read_state(state))
    files = list_pictures(pictures)
    templates = open_templates(template, place, opened.spec("fp32"))
    deployment = choose_deployment(opened, "throughput", known.runtime, known.precision, threads)
    detector = Detector(open_session(opened, deployment))
    threshold = detector.spec.detection.score_threshold
    first = watch.state.pictures
    alarms: list[Alarm] = []
    taken: list[Path] = []
    with counting_bar("looking") as advance:
        for file, image, seen in look(detector, files, templates):
            taken.append(file)
            alarms += watch.update(image, seen, threshold)
            advance(len(taken), len(files))
    if state is not None:
        write_text(state, watch.state.model_dump_json() + "\n")
    if as_json:
        print(json.dumps(_as_json(alarms, taken, first, watch), indent=1))
    else:
        _print(alarms, taken, first, watch)
    if watch.state.alarmed:
        raise typer.Exit(ALARM_CODE)


def _read_state(path: Path) -> WatchState | None:
    """Where the watch stands; None if there is no such file yet.

    Raises:
        ConfigError: It can't be read, or is something else.
    """
    try:
        return parse_state(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"State {path} can't be read: {error.strerror or error}. Expected a file.") from None


def describe_baseline(known: DriftBaseline) -> dict[str, str]:
    """A baseline in words, by name."""
    median, least = known.usual_rate
    return {
        "baseline": f"{known.pictures} pictures, computed in {known.runtime} {known.precision}",
        "watched": ", ".join(name.replace("_", " ") for name in known.statistics),
        "false alarms": f"one in {known.pictures_per_alarm:,.0f} pictures like those of the baseline. The line is "
        f"known from {known.pictures} pictures only, so expect one in {median:,.0f}; 9 of 10 such baselines give "
        f"fewer than one in {least:,.0f}",
    }


def list_pictures(paths: Sequence[Path]) -> list[Path]:
    """Files, and those of folders by name.

    Raises:
        DataError: There is none.
    """
    found = [file for path in paths for file in (sorted(find_images(path)) if path.is_dir() else [path])]
    if not found:
        raise DataError(f"No pictures in {', '.join(map(str, paths))}.")
    return found


def look(
    detector: Detector, files: Sequence[Path], templates: Templates | None
) -> Iterator[tuple[Path, Image, Inspection]]:
    """Every picture, without its template, with what was found in it, in their order.

    One that can't be read is told of and left out.
    """
    waiting: deque[tuple[Path, Image]] = deque()

    def images() -> Iterator[Image]:
        for file in files:
            try:
                waiting.append((file, read_picture(file, detector.spec, templates)))
            except ImageError as error:
                say(f"left out: {error}")
                continue
            yield waiting[-1][1]

    for seen in detector.inspect_all(images(), BATCH_SIZE):
        file, image = waiting.popleft()
        yield file, picture_of(image, detector.spec.paired), seen


def _as_json(alarms: Sequence[Alarm], files: Sequence[Path], first: int, watch: DriftWatch) -> dict[str, object]:
    return {
        "pictures": len(files),
        "pictures_in_all": watch.state.pictures,
        "alarmed": list(watch.state.alarmed),
        "alarms": [
            {
                "statistic": alarm.statistic,
                "direction": alarm.direction,
                "baseline": alarm.baseline,
                "now": alarm.now,
                "since": alarm.since,
                "since_picture": _name(files, first, alarm.since),
                "noticed": alarm.picture,
                "noticed_picture": _name(files, first, alarm.picture),
            }
            for alarm in alarms
        ],
    }


def _print(alarms: Sequence[Alarm], files: Sequence[Path], first: int, watch: DriftWatch) -> None:
    earlier = [name for name in watch.state.alarmed if name not in {alarm.statistic for alarm in alarms}]
    if earlier:
        say(f"alarms before these pictures: {', '.join(earlier)}")
    for alarm in alarms:
        since = _name(files, first, alarm.since) or "before these pictures"
        print(f"{alarm.describe()}\n    from {since}\n    noticed at {_name(files, first, alarm.picture)}")
    news = "new drift in " + ", ".join(alarm.statistic for alarm in alarms) if alarms else "no new drift"
    say(f"{len(files)} pictures, {watch.state.pictures} in all: {news.replace('_', ' ')}")


def _name(files: Sequence[Path], first: int, number: int) -> str | None:
    """Name of a picture by its number in the watch; None for one of an earlier call."""
    return str(files[number - first - 1]) if number > first else None
