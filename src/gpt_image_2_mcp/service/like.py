"""Requests that are to be made `like` an earlier picture: its parameters fill what the call leaves out."""

from ..errors import BadRequest, shown
from ..inputs.references import References
from ..parameters.models import Options, RequestT, parse


async def complete_like(request: RequestT, references: References) -> RequestT:
    """A copy of `request` with what it leaves to the picture that it names in `like`; itself where it names none.

    Raises:
        BadRequest: there is no such picture, or what it was made with does not go with the rest.

    """
    like: str | None = getattr(request, "like", None)
    if like is None:
        return request
    picture = await references.picture(like)
    if picture is None:
        raise BadRequest(f"`like` takes the id of a picture that was made here, such as 'last'; got {shown(like)}.")
    kept = {name: value for name, value in picture.record.parameters.items() if name in Options.model_fields}
    given = request.model_dump(include=request.model_fields_set)
    if given.get("output_format") == "png":
        kept.pop("output_compression", None)
    if given.get("output_format") == "jpeg" and kept.get("background") == "transparent":
        del kept["background"]
    return parse(type(request), {"prompt": picture.record.prompt, **kept, **given})
