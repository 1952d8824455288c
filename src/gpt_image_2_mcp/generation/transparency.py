"""Transparent backgrounds: by the model itself, or cut out of a plain ground where the API says that it cannot.

`send` decides which. A model's refusal is not billed, so the model is asked first, and then for one picture on a ground
of a colour that the subject does not have. 'transparent-fine' is two pictures, the second an edit of the first onto
another ground. What is cut out is a picture of its own, beside the API's, made in a child process.

Nothing of that raises once a picture is saved: what fails becomes a sentence of the report.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio.to_thread
from anyio import current_time

from ..billing.tokens import AUTO_QUALITY, AUTO_SIZE, Pixels, output_tokens, text_tokens
from ..errors import BadRequest, ChildFailed, GptImageError, TransparencyRefused
from ..images.pixels_extra import HOW_TO_GET, compute_in_child, is_installed
from ..inputs import Sources
from ..openai_api.request import ImageRequest, SendOutcome
from ..openai_api.request_status import RequestStatus
from ..parameters.capabilities import has_no_transparency
from ..parameters.fields import MAX_PROMPT
from ..parameters.models import PaidRequest
from ..parameters.options import Options, PricedOptions
from ..parameters.size_plan import is_allowed_size
from ..parameters.sizes import parse_edges
from ..pixels.matte_text import matte_warnings, no_matte_text
from ..storage.local_folder import TRANSPARENT_SUFFIX
from .exact_edits import MEMORY, SECONDS, Composite
from .grounds import FIRST, KEYS, MAX_ADDED, SECOND, choose_key, keyed_text
from .image_saver import ImageSaver

REMEMBERED_S: Final = 3600.0
"""How long a model that refused a transparent background is not asked for one again."""
_TASKS: Final = "gpt_image_2_mcp.pixels.matte_task:"
NOT_CUT: Final = "The background is not transparent, and this is the model's own picture: {reason}."
ONE_UNREAD: Final = "One of the two pictures cannot be decoded, so the background is taken off the other alone."
OTHER_MODELS: Final = "gpt-image-2.5-sunburst, gpt-image-2.5-flare and the gpt-image-2.6 models"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SentPictures:
    """How the pictures of a request were made transparent: `way` is what has to be done with those that are saved."""

    outcome: SendOutcome
    way: str
    """`native`, `keyed` or `two_passes`."""


class Transparency:
    """Makes the transparent pictures of one process."""

    def __init__(self, sources: Sources) -> None:
        """Read the first of two pictures again with `sources`."""
        self._sources = sources
        self._refused_until = dict[str, float]()
        """Until when, by the event loop's clock, each model is not asked for transparency."""

    def check(self, model: str, request: PaidRequest) -> None:
        """Check what can be known before anything is sent.

        Raises:
            BadRequest: the background cannot be made transparent in this way.

        """
        if request.is_cut_out:
            _require_extra("`background` 'transparent' without a prompt cuts a picture out here, which")
        elif request.passes > 1:
            _check_plain_ground(request, "'transparent-fine'")
        elif request.background == "transparent" and has_no_transparency(model):
            _check_plain_ground(request, f"'transparent' with {model}, which makes no transparent pictures itself,")

    async def send(
        self, backend: Any, request: ImageRequest, asked: PaidRequest, status: RequestStatus, saver: ImageSaver
    ) -> SentPictures:
        """Send a request whose background is to be transparent; raises `ApiError` if no picture arrived.

        Raises:
            BadRequest: the model refused, and its pictures cannot be cut out for this request. Nothing was billed.

        """
        if asked.passes > 1:
            return await self._send_twice(backend, request, status, saver)
        if current_time() >= self._refused_until.get(request.model, 0.0):
            try:
                return SentPictures(await backend.send(request, status, saver), "native")
            except TransparencyRefused as refusal:
                try:
                    _check_plain_ground(asked, f"'transparent' with {request.model}, which refused it,")
                except BadRequest as error:
                    raise error from refusal
                self._refused_until[request.model] = current_time() + REMEMBERED_S
        shares = await anyio.to_thread.run_sync(_key_shares, request)
        saver.ground_prompt = keyed_text(choose_key(request.prompt, shares))
        keyed = _on_ground(request, f"{request.prompt}\n\n{saver.ground_prompt}")
        return SentPictures(await backend.send(keyed, status, saver), "keyed")

    async def _send_twice(
        self, backend: Any, request: ImageRequest, status: RequestStatus, saver: ImageSaver
    ) -> SentPictures:
        saver.ground_prompt = FIRST
        outcome: SendOutcome = await backend.send(_on_ground(request, f"{request.prompt}\n\n{FIRST}"), status, saver)
        first = saver.images[0]
        try:
            picture = await self._sources.image(str(first.path), is_known=True)
            saver.ground_prompt = SECOND
            second = replace(_on_ground(request, SECOND), inputs=[picture], mask=None)
            size = (first.facts.width, first.facts.height)
            if is_allowed_size(*size) and _costs_no_more(request, size):
                sized = second.options.model_copy(update={"size": "{}x{}".format(*size)})
                second = replace(second, options=sized)
            later: SendOutcome = await backend.send(second, status, saver)
        except GptImageError as error:
            # The first picture is there, and paid for.
            return SentPictures(replace(outcome, failures=[*outcome.failures, error]), "keyed")
        both = SendOutcome([*outcome.failures, *later.failures], [*outcome.notes, *later.notes])
        return SentPictures(both, "two_passes")

    def finish(self, way: str, asked: Options, saver: ImageSaver) -> None:
        """Make what was asked for of the saved pictures. Blocks for some seconds. Raises nothing."""
        kind, quality = asked.output_format, asked.output_compression
        match way:
            case "native":
                # Without the extra, nothing is missing but the figures.
                if is_installed():
                    saver.note_proofs(_look)
            case "keyed":
                saver.make_exact(lambda data: _cut("cut_out", data, kind=kind, quality=quality))
            case _ if not saver.has_both:
                saver.warnings.append(ONE_UNREAD)
                self.finish("keyed", asked, saver)
            case _:
                saver.make_of_both(
                    lambda first, second: _cut("cut_out_of_two", first, second, kind=kind, quality=quality)
                )


def ground_tokens(request: PricedOptions) -> int:
    """The tokens of what is added to a prompt about the ground, at the most."""
    return text_tokens("x" * MAX_ADDED, generation=False) if request.is_transparent else 0


def cut_out(originals: Sequence[bytes], asked: Options) -> Composite:
    """The subject of a picture without its plain ground, from the first of its copies that can be read. Blocks.

    Raises:
        BadRequest: it has no plain ground, or it could not be done.

    """
    made = Composite()
    for data in originals:
        made = _cut("cut_out", data, kind=asked.output_format, quality=asked.output_compression)
        if made.proof is not None:
            break
    if not made.data:
        reason = (made.failure or "it failed").rstrip(".")
        raise BadRequest(
            f"The picture cannot be cut out: {reason}. To have a model do it, say in `prompt` what to keep; that costs"
            " what an edit costs."
        )
    return replace(made, suffix="")


def _cut(task: str, *data: bytes, kind: str, quality: int | None) -> Composite:
    try:
        found = compute_in_child(_TASKS + task, *data, memory=MEMORY, seconds=SECONDS, kind=kind, quality=quality)
    except (ValueError, ChildFailed) as error:
        logger.info("the background was not taken off: %s", error)
        reason = str(error).rstrip(".")
        return Composite(warnings=(NOT_CUT.format(reason=reason),), failure=reason)
    if not found.data:
        reason = no_matte_text(found.values["verdict"])
        return Composite(proof=found.values, warnings=(NOT_CUT.format(reason=reason),), failure=reason)
    return Composite(found.data, found.values, tuple(matte_warnings(found.values)), TRANSPARENT_SUFFIX)


def _look(data: bytes) -> Composite:
    try:
        values = compute_in_child(f"{_TASKS}look", data, memory=MEMORY, seconds=SECONDS).values
    except (ValueError, ChildFailed) as error:
        logger.info("the transparency was not looked at: %s", error)
        return Composite()
    if values["verdict"] != "native":
        return Composite(warnings=(NOT_CUT.format(reason=no_matte_text(values["verdict"])),))
    return Composite(proof=values, warnings=tuple(matte_warnings(values)))


def _costs_no_more(request: ImageRequest, size: Pixels) -> bool:
    """Whether a picture of a size costs no more than one of the request's own: no more was agreed to."""
    quality = AUTO_QUALITY if request.options.quality == "auto" else request.options.quality
    expected = parse_edges(request.options.size) or AUTO_SIZE
    tokens, most = (output_tokens(request.model, each, quality) for each in (size, expected))
    return tokens is None or most is None or tokens <= most


def _key_shares(request: ImageRequest) -> dict[str, float]:
    if not request.inputs:
        return {}
    try:
        colours = {key.name: key.code for key in KEYS}
        return compute_in_child(f"{_TASKS}key_shares", request.inputs[0].data, colours=colours).values["shares"]
    except (ValueError, ChildFailed) as error:
        logger.info("the colours of %s were not looked at: %s", request.inputs[0].source, error)
        return {}


def _on_ground(request: ImageRequest, prompt: str) -> ImageRequest:
    # As a PNG: a matte of what was compressed has the traces of that in its edge.
    plain = {"background": "opaque", "output_format": "png", "output_compression": None}
    return replace(request, prompt=prompt, options=request.options.model_copy(update=plain))


def _check_plain_ground(request: PaidRequest, what: str) -> None:
    """Check that a picture can be drawn on a plain ground and cut out; raises BadRequest."""
    _require_extra(f"`background` {what}")
    if request.is_marked or request.kept == "exact":
        raise BadRequest(
            f"`background` {what} is drawn on a plain ground, which changes everything around the subject: leave out"
            f" `mask`, `extend` and `keep`, or name a model that makes transparent pictures itself ({OTHER_MODELS})."
        )
    if len(request.prompt) > MAX_PROMPT - MAX_ADDED:
        raise BadRequest(
            f"`prompt` has {len(request.prompt):,} characters; with `background` {what} it may have"
            f" {MAX_PROMPT - MAX_ADDED:,}, since some about the ground are added."
        )


def _require_extra(what: str) -> None:
    if not is_installed():
        raise BadRequest(
            f"{what} needs the extra `pixels`. To have it, {HOW_TO_GET}; or name a model that makes transparent"
            f" pictures itself ({OTHER_MODELS}). Nothing was sent."
        )
