"""What requests have in common: the options of how a picture is made, and groups of parameters that several take."""

from typing import Self

from pydantic import model_validator

from .base import Request
from .fields import (
    Background,
    Compression,
    Count,
    Extend,
    Images,
    Keep,
    Like,
    Mask,
    Model,
    Moderation,
    OutputDir,
    OutputFormat,
    Prefix,
    Prompt,
    Quality,
    Size,
    User,
    passes_of,
)
from .sizes import MAX_WEBP_EDGE, parse_edges

COSTLIEST_INPUT = (1536, 1024)
"""The size at which an input picture takes the most tokens, in pixels: the API scales larger ones down."""

COMPRESSION_IGNORED = "`output_compression` was ignored: it is for jpeg and webp, and the format is png."


class PricedOptions(Request):
    """The options that determine what a picture costs."""

    size: Size = "auto"
    quality: Quality = "auto"
    model: Model | None = None

    @property
    def count(self) -> int:
        """How many pictures are asked for."""
        return 1

    @property
    def passes(self) -> int:
        """How many pictures are made for each that is asked for."""
        return 1

    @property
    def is_transparent(self) -> bool:
        """Whether the background is to be transparent."""
        return False

    @property
    def is_cut_out(self) -> bool:
        """Whether nothing is to be made, and a picture that is there only loses its plain ground; free."""
        return False

    @property
    def is_marked(self) -> bool:
        """Whether it is said what of the first picture is to change, or what is new beside it."""
        return False

    @property
    def kept(self) -> Keep:
        """What of the first picture is to stay."""
        return "off"

    @property
    def is_exact(self) -> bool:
        """Whether what is to stay is put back into the model's picture."""
        return self.kept == "exact" or (self.kept == "auto" and self.is_marked)

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Sizes (width, height in pixels) that an estimate takes for the input pictures before they are read."""
        return []


class Options(PricedOptions):
    """All options of how a picture is made: everything but what it shows."""

    background: Background = "auto"
    output_format: OutputFormat = "png"
    output_compression: Compression | None = None
    moderation: Moderation = "auto"
    filename_prefix: Prefix | None = None
    user: User | None = None

    @property
    def is_transparent(self) -> bool:
        """Whether the background is to be transparent."""
        return self.background in {"transparent", "transparent-fine"}

    @property
    def passes(self) -> int:
        """How many pictures are made for one that is asked for: the second has the same subject on another ground."""
        return passes_of(self.background)

    @model_validator(mode="after")
    def _check_one_fine_picture(self) -> Self:
        if self.passes > 1 and self.count > 1:
            raise ValueError(
                f"`background` 'transparent-fine' makes one picture a call, from two; got `n` {self.count}. Call again"
                " for each, or take 'transparent'"
            )
        return self

    @model_validator(mode="after")
    def _check_formats_agree(self) -> Self:
        if self.is_transparent and self.output_format == "jpeg":
            raise ValueError(
                f"`background` {self.background!r} needs an output_format that holds transparency; got 'jpeg'."
                " Set output_format to 'png' or 'webp'"
            )
        if self.output_format == "webp" and max(parse_edges(self.size) or (0,)) > MAX_WEBP_EDGE:
            raise ValueError(
                f"a WebP has edges of at most {MAX_WEBP_EDGE:,} pixels: set output_format to 'png' or 'jpeg'"
            )
        # The format of the picture in `like` is not known yet.
        is_png = self.output_format == "png" and (
            "output_format" in self.model_fields_set or getattr(self, "like", None) is None
        )
        if self.output_compression is None or not is_png:
            return self
        return self.model_copy(update={"output_compression": None}).with_notes([COMPRESSION_IGNORED])


class WithOutputDir(Request):
    """Adds the folder that the pictures are saved in."""

    output_dir: OutputDir | None = None


class WithCount(PricedOptions):
    """Adds the number of pictures."""

    n: Count = 1

    @property
    def count(self) -> int:
        """How many pictures are asked for."""
        return self.n


class WithMask(PricedOptions):
    """Adds what of the first picture is to change, and what is to stay."""

    mask: Mask | None = None
    keep: Keep = "auto"
    extend: Extend | None = None

    @property
    def is_marked(self) -> bool:
        """Whether it is said what of the first picture is to change, or what is new beside it."""
        return self.mask is not None or self.extend is not None

    @property
    def kept(self) -> Keep:
        """What of the first picture is to stay."""
        return self.keep

    @model_validator(mode="after")
    def _check_extend_or_mask(self) -> Self:
        if self.extend and self.mask:
            raise ValueError("`extend` marks what is new by itself: leave out `mask`, or make two edits")
        return self


class WithImages(WithMask):
    """Adds the pictures that an edit starts from."""

    images: Images

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Assume `COSTLIEST_INPUT` for each picture, so that the estimate is not too low."""
        return [COSTLIEST_INPUT] * (len(self.images) + (self.mask is not None))


class WithLike(PricedOptions):
    """Adds `like`, an earlier picture whose prompt and options are used where the call leaves them out."""

    prompt: Prompt = ""
    like: Like | None = None

    @model_validator(mode="after")
    def _check_prompt_or_like(self) -> Self:
        if not self.prompt and self.like is None and not self.is_cut_out:
            raise ValueError(f"`prompt` is missing: {self._ways_to_prompt}")
        return self

    @property
    def _ways_to_prompt(self) -> str:
        """What to do where the prompt is missing."""
        return "say what to make, or name an earlier picture in `like` to use its own"
