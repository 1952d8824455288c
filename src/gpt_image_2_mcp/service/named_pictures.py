"""Which pictures the arguments of a request name."""

from ..parameters.models import ExportRequest, GenerateRequest, PaidRequest, ShowImageRequest


def references_of(request: PaidRequest | ShowImageRequest | ExportRequest) -> list[str]:
    """What names pictures in a request: paths, addresses, ids, data, and the words of a mask."""
    match request:
        case GenerateRequest():
            return []
        case ExportRequest():
            return list(request.image)
        case ShowImageRequest():
            return [request.image, *([request.mask] if request.mask else ()), *(request.against or ())]
        case _:
            return [*(request.images or ()), *([request.mask] if request.mask else ())]
