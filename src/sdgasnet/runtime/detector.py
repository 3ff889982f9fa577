"""The one detector: from pictures to detections, whatever runtime is behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sdgasnet.config.schema import DetectionConfig
from sdgasnet.decision.rules import DecisionRules
from sdgasnet.decision.rules_file import require_classes, require_reachable_counts
from sdgasnet.decision.verdict import Verdict, decide_picture
from sdgasnet.errors import ImageError, ModelError
from sdgasnet.imaging.decode import decode_detections
from sdgasnet.imaging.detections import Detections
from sdgasnet.imaging.geometry import ResizeMap
from sdgasnet.imaging.image import Image, prepare_image
from sdgasnet.imaging.template import require_pair
from sdgasnet.runtime.session import Canvases, ModelSpec, Session, run_all


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """What was found in a picture, and what follows from it.

    Attributes:
        detections: From the model's threshold on, or that of the rules for the class where it is lower.
        verdict: None if the model has no rules.
        best_score: Of all raw scores; also where nothing reaches a threshold.
        embedding: ``(E,)`` float32: what the network sees in the picture as a whole, for the drift watch.
    """

    detections: Detections
    verdict: Verdict | None
    best_score: float
    embedding: NDArray[np.float32]


class Detector:
    """Prepare pictures, run the session, decode its outputs.

    Args:
        session: The model in a runtime.
        settings: Thresholds and limits instead of the model's own; whoever passes them says so in the output.
        rules: What makes a picture NG, instead of the model's own rules; whoever passes them says so, too.

    Raises:
        ConfigError: The rules do not fit the model.

    Example:
        >>> from sdgasnet.models.session import load_detector  # doctest: +SKIP
        >>> detector = load_detector(Path("runs/steel/best.pt"))  # doctest: +SKIP
        >>> detector.detect(read_image(Path("sheet.png"), detector.spec.channels))  # doctest: +SKIP
    """

    def __init__(
        self, session: Session, settings: DetectionConfig | None = None, rules: DecisionRules | None = None
    ) -> None:
        own = session.spec
        self._session = session
        self._spec = replace(own, detection=settings or own.detection, rules=rules or own.rules)
        if self._spec.rules is not None:
            require_classes(self._spec.rules, own.class_names, f"for {own.name}")
            require_reachable_counts(self._spec.rules, self._spec.detection, f"for {own.name}")

    @property
    def spec(self) -> ModelSpec:
        """What the model expects and says."""
        return self._spec

    @property
    def session(self) -> Session:
        """The model in its runtime."""
        return self._session

    def with_settings(self, settings: DetectionConfig) -> Detector:
        """The same model with other thresholds and limits."""
        return Detector(self._session, settings, self._spec.rules)

    def with_rules(self, rules: DecisionRules) -> Detector:
        """The same model with other rules.

        Raises:
            ConfigError: They do not fit the model.
        """
        return Detector(self._session, self._spec.detection, rules)

    def detect(self, image: Image, score_threshold: float | None = None) -> Detections:
        """Detections in one picture.

        Args:
            image: ``(H, W, C)`` uint8 or uint16, C as ``spec.channels``; of a model of pairs as
                :func:`~sdgasnet.imaging.template.pair_with_template` gives them.
            score_threshold: Lowest score; None takes the model's own.

        Returns:
            Detections in pixels of the picture, best first.

        Raises:
            ImageError: The picture has another number of channels or pixel type.
            ModelError: The network gives no numbers.
        """
        return next(self.detect_all([image], batch_size=1, score_threshold=score_threshold))

    def detect_all(
        self, images: Iterable[Image], batch_size: int, score_threshold: float | None = None
    ) -> Iterator[Detections]:
        """Detections of many pictures, in their order, ``batch_size`` at a time in memory.

        Args:
            images: Pictures as for :meth:`detect`; sizes may differ.
            batch_size: Pictures a run, >= 1; runs are cut where the pixel type changes. A session that works on
                several runs at a time reads that many ahead.
            score_threshold: Lowest score; None takes the model's own.

        Returns:
            One result a picture.
        """
        for found, _, _ in self._run_all(images, batch_size, score_threshold):
            yield found

    def _run_all(
        self, images: Iterable[Image], batch_size: int, score_threshold: float | None
    ) -> Iterator[tuple[Detections, NDArray[np.float32], NDArray[np.float32]]]:
        """Detections, raw scores ``(P, K)`` and embedding ``(E,)`` of each picture."""
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
        resize_maps: deque[list[ResizeMap]] = deque()

        def canvases() -> Iterator[Canvases]:
            for batch in self._batches(images, batch_size):
                resize_maps.append([resize_map for _, resize_map in batch])
                yield np.stack([canvas for canvas, _ in batch])

        for outputs in run_all(self._session, canvases()):
            for boxes, scores, embedding, resize_map in zip(
                outputs.boxes_xyxy, outputs.scores, outputs.embedding, resize_maps.popleft(), strict=True
            ):
                yield self._decode(boxes, scores, resize_map, score_threshold), scores, embedding

    def inspect(self, image: Image, score_threshold: float | None = None) -> Inspection:
        """Detections in one picture, and the verdict that the model's rules give.

        Args:
            image: As for :meth:`detect`.
            score_threshold: Instead of the model's own, which is also that of classes whose rule has none.

        Raises:
            ImageError: As for :meth:`detect`.
        """
        return next(self.inspect_all([image], batch_size=1, score_threshold=score_threshold))

    def inspect_all(
        self, images: Iterable[Image], batch_size: int, score_threshold: float | None = None
    ) -> Iterator[Inspection]:
        """Detections and verdicts of many pictures, in their order.

        Args:
            images: As for :meth:`detect_all`.
            batch_size: As for :meth:`detect_all`.
            score_threshold: As for :meth:`inspect`.

        Returns:
            One result a picture.
        """
        names, rules = self.spec.class_names, self.spec.rules
        model_threshold = self.spec.detection.score_threshold if score_threshold is None else score_threshold
        lowest = np.full(len(names), model_threshold, np.float32)
        if rules is not None:
            lowest = np.minimum(rules.score_thresholds(names, model_threshold), lowest)
        for found, scores, embedding in self._run_all(images, batch_size, float(lowest.min())):
            shown = found if rules is None else found.above_of_class(lowest)
            verdict = None if rules is None else decide_picture(shown, names, rules, model_threshold)
            yield Inspection(shown, verdict, float(scores.max(initial=0.0)), embedding)

    def _batches(self, images: Iterable[Image], batch_size: int) -> Iterator[list[tuple[Image, ResizeMap]]]:
        batch: list[tuple[Image, ResizeMap]] = []
        for image in images:
            prepared = self._prepare(image)
            if batch and prepared[0].dtype != batch[0][0].dtype:
                yield batch
                batch = []
            batch.append(prepared)
            if len(batch) == batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _decode(
        self,
        boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        scores: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        resize_map: ResizeMap,
        score_threshold: float | None,
    ) -> Detections:
        # What is not a number is over no threshold: without this, a broken model would find every part OK.
        if not np.isfinite(scores.max(initial=0.0) + boxes.max(initial=0.0)):
            raise ModelError(
                f"The network of {self.spec.name} gave boxes or scores that are no numbers. Compare it with the "
                "trained model (sdgasnet parity), or run it in another precision or runtime."
            )
        settings = self.spec.detection
        floor = settings.score_threshold if score_threshold is None else score_threshold
        return decode_detections(boxes, scores, resize_map, settings, floor)

    def _prepare(self, image: Image) -> tuple[Image, ResizeMap]:
        channels = self.spec.channels
        known = image.dtype in (np.uint8, np.uint16)
        if image.ndim != 3 or image.shape[2] != channels or image.size == 0 or not known:
            raise ImageError(
                f"The model expects pictures (H, W, {channels}) of uint8 or uint16; "
                f"found {image.shape} of {image.dtype}. read_image(path, {channels}) gives what it expects."
            )
        if self.spec.paired:
            require_pair(image, "The picture")
        return prepare_image(image, self.spec.image_size)
