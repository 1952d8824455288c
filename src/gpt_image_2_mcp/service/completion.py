"""What a call leaves out and an earlier picture has: the parameters of the one in `like`, the model of a session."""

from typing import TypeVar

from ..catalogue.picture_record import UNKNOWN_MODEL
from ..errors import BadRequest, shown
from ..inputs.references import References
from ..parameters.fields import MAX_INPUTS
from ..parameters.models import ContinueSessionRequest, CostsRequest, RequestT, parse
from ..parameters.options import Options
from ..persistence.writer_thread import WriterThread
from ..settings import Settings

TurnT = TypeVar("TurnT", bound=ContinueSessionRequest)


async def complete_like(request: RequestT, references: References) -> RequestT:
    """A copy of `request` with the parameters of the picture in `like` where it gives none; itself without `like`.

    The model is none of them: what is made again is made with the model that is set, or that the call names.

    Raises:
        BadRequest: there is no such picture, or its parameters contradict those of the call.

    """
    like: str | None = getattr(request, "like", None)
    if like is None:
        return request
    picture = await references.find(like) or await references.find_by_part(like)
    if picture is None:
        raise BadRequest(f"`like` takes the id of a picture that was made here, such as 'last'; got {shown(like)}.")
    if isinstance(request, CostsRequest):
        inputs = min(len(picture.record.parents), MAX_INPUTS + 1)
        asked = {name: picture.record.parameters.get(name) or "auto" for name in ("size", "quality")}
        if picture.record.parameters.get("background") == "transparent-fine":
            asked["background"] = "transparent-fine"
        # What was left to the API counts as it was made, if the backend said that in words of the API.
        made = {name: picture.record.applied.get(name) for name, value in asked.items() if value == "auto"}
        given = {"inputs": inputs, **request.model_dump(include=request.model_fields_set)}
        try:
            return parse(type(request), {**asked, **made, **given})
        except BadRequest:
            return parse(type(request), {**asked, **given})
    kept = {name: value for name, value in picture.record.parameters.items() if name in Options.model_fields}
    given = request.model_dump(include=request.model_fields_set)
    # What the call gives decides; a parameter of the picture that the API refuses beside it is dropped.
    kept.setdefault("output_format", "png")
    if given.get("output_format") == "jpeg" and str(kept.get("background")).startswith("transparent"):
        del kept["background"]
    # By its id: a number may soon mean another picture.
    whole = {"prompt": picture.record.prompt, **kept, **given, "like": picture.id}
    if whole["output_format"] == "png" and "output_compression" not in given:
        whole.pop("output_compression", None)
    return parse(type(request), whole).with_notes(request.notes)


async def with_model_of_turn(request: TurnT, settings: Settings, writer: WriterThread) -> TurnT:
    """A copy of `request` with the image model of the turn that the next one is made from; itself if it names one.

    A session that is not active any more, and a model that may not be used any more, are left to what refuses them.
    """
    if request.model is not None:
        return request
    session = await writer.read(lambda unit: unit.sessions.get(request.session_id))
    if session is None:
        return request
    turn = session.turn(session.next_parent if request.from_turn is None else request.from_turn)
    if turn is None or turn.picture.record.model in {settings.model, UNKNOWN_MODEL}:
        return request
    model = turn.picture.record.model
    is_allowed = not settings.allowed_models or model in settings.allowed_models
    return request.model_copy(update={"model": model}) if is_allowed else request
