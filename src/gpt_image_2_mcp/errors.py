"""All errors that a user or a model can act on, in one tree with the base `GptImageError`.

    GptImageError
    ├── BadRequest              an argument breaks a rule
    ├── UnreadableSource        an input picture cannot be read, or is no picture
    ├── NotConfigured           a setting is missing or wrong
    ├── SetupError              a client's configuration cannot be read or changed
    ├── SessionError            an edit session is unknown, or its last picture is gone
    ├── CannotSave              a picture or a file could not be written
    ├── DatabaseUnusable        the database cannot be opened, read or written, or belongs to another program
    │   └── TransactionUndone   the server rolled a transaction back: it can be run again
    ├── RecordConflict          a record contradicts what the catalogue holds
    ├── ChildFailed             a child process did not do its work
    │   ├── ChildOutOfMemory    it needs more memory than it may have
    │   ├── ChildTooSlow        it needs more time than it may take
    │   └── ChildDied           it could not be started, or ended without an answer
    ├── TooMuchAtOnce           other calls take up what this one needs: it can be repeated later
    ├── NoPrice                 a budget is set, and the price of the request is unknown
    ├── OverBudget              the request does not fit a budget
    ├── ConsentRefused          the user refused the price, or could not be asked
    ├── InvalidConsentAnswer    the client answered the question about the price in another form
    ├── JobError                a job ended without pictures
    │   ├── JobStopped          it was stopped before anything was sent
    │   ├── JobAbandoned        the user waits for it no longer; it goes on, and is billed
    │   ├── JobLost             its process ended while it was under way
    │   ├── JobTaken            another process has the same job
    │   ├── NotPassedOn         its replica ended before it was sent, and no other one can make it
    │   ├── JobFailedElsewhere  it failed in another process, with that process's message
    │   └── JoinedJobFailed     the earlier, identical call that this one joined failed
    ├── ShuttingDown            the server takes no new work
    ├── ProgramReplaced         another version of this program is on the disk now
    └── ApiError                the API, or a proxy on the way to it, refused or failed
        ├── ModerationRefused   the prompt or a picture was refused; never retried
        ├── RateLimited         wait `retry_after` seconds
        ├── RouteRefused        this backend has no such route: an edit may take another one
        ├── TransparencyRefused the model makes no transparent pictures: they can be cut out of a plain ground
        ├── Unavailable         nothing was billed; the call can be repeated later
        ├── OutcomeUnknown      the answer was lost on the way: it may have been billed
        └── BadAnswer           the answer holds no usable picture

A message is one or two sentences for a user or a model that cannot see this code: what failed, with the value; why;
what to do now. Bugs are not `GptImageError`s.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import ClassVar, Final

USAGE_URL = "https://platform.openai.com/usage"
NOT_SENT_AGAIN = (
    "The picture may have been made and billed without reaching us, so it was not asked for again:"
    f" look at {USAGE_URL}, then decide whether to ask once more."
)
MAY_BE_BILLED = f"It may have been billed all the same: look at {USAGE_URL} before asking once more."

MAX_VALUE_SHOWN = 80
"""Characters of a rejected value that an error repeats: enough to recognise it, too few to flood a chat."""
MAX_PROMPT_IN_LIST = 120
"""Characters of a prompt in a list."""


def shown(value: object) -> str:
    """The `repr` of a rejected value for an error message, cut at `MAX_VALUE_SHOWN` characters."""
    text = repr(value)
    if len(text) <= MAX_VALUE_SHOWN:
        return text
    length, quote = (len(value), text[-1]) if isinstance(value, str) else (len(text), "")
    return f"{text[:MAX_VALUE_SHOWN]}…{quote} ({length:,} characters)"


def shorten(text: str, limit: int) -> str:
    """The text; if it has more than `limit` characters, its beginning with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shorten_line(text: str, limit: int = MAX_PROMPT_IN_LIST) -> str:
    """The text on one line of at most `limit` characters."""
    return shorten(" ".join(text.split()), limit)


ODD_JSON: Final = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading JSON of an unknown shape raises: other types, numbers without an end, lists in lists in lists."""


class GptImageError(Exception):
    """A failure that the user or the model can act on; `str(error)` is the message for them."""

    usage: object = None
    """The `billing.tokens.Usage` that an answer without a usable picture named, if it did."""


class BadRequest(GptImageError):
    """An argument breaks a rule."""


class UnreadableSource(GptImageError):
    """An input picture cannot be read, or is not a picture that can be sent."""


class NotConfigured(GptImageError):
    """A setting is missing or wrong."""


class SetupError(GptImageError):
    """The configuration of an MCP client cannot be read or changed; it is as it was."""


class SessionError(GptImageError):
    """An edit session is unknown, ended or expired, or its last picture is gone."""


class CannotSave(GptImageError):
    """A picture could not be written anywhere."""


class DatabaseUnusable(GptImageError):
    """The database cannot be opened, read or written, or belongs to another program; it is left as it is."""

    def __init__(self, address: object, what: str) -> None:
        """Say `what` is wrong with the database at `address`; None stands for one in memory."""
        super().__init__(f"The database {str(address) if address else 'in memory'!r} {what}.")
        self.address = address


class TransactionUndone(DatabaseUnusable):
    """The database server ended a transaction that can be run again: nothing of it was written, as far as is known.

    Where the connection broke during the commit, the transaction may have been written all the same.
    """


class RecordConflict(GptImageError):
    """A record contradicts what is in the catalogue."""


class ChildFailed(GptImageError):
    """A child process did not do its work."""


class ChildOutOfMemory(ChildFailed):
    """The work needs more memory than the process may have."""

    def __init__(self, limit: int) -> None:
        """Create the error; `limit` is in bytes."""
        super().__init__(f"It needs more than {limit / 1_000_000:,.0f} MB of memory, which is the most.")


class ChildTooSlow(ChildFailed):
    """The work takes longer than the process may take."""

    def __init__(self, limit: float) -> None:
        """Create the error; `limit` is in seconds."""
        super().__init__(f"It takes longer than {limit:g} seconds, which is the most.")


class ChildDied(ChildFailed):
    """The process could not be started, or ended without an answer."""

    def __init__(self, reason: str) -> None:
        """Create the error; `reason` continues the sentence."""
        super().__init__(f"The process for this work failed: {reason}.")


class TooMuchAtOnce(GptImageError):
    """Other calls take up what this one needs; nothing was sent, and the call can be repeated when they have ended."""


class NoPrice(GptImageError):
    """A budget is set, and the price of the request is unknown; `variables` are the settings with the budgets."""

    def __init__(self, message: str, variables: tuple[str, ...]) -> None:
        """Create the error; `variables` are the names of the settings."""
        super().__init__(message)
        self.variables = variables


class OverBudget(GptImageError):
    """A request does not fit a budget; amounts are dollars, `spent` and `reserved` today's sums over all processes."""

    def __init__(
        self,
        message: str,
        *,
        estimate: Decimal,
        limit: Decimal,
        left: Decimal,
        variable: str,
        spent: Decimal,
        reserved: Decimal,
    ) -> None:
        """Create the error; `variable` is the setting with the `limit`, `left` the most that the request could cost."""
        super().__init__(message)
        self.estimate, self.limit, self.left, self.variable = estimate, limit, left, variable
        self.spent, self.reserved = spent, reserved


class ConsentRefused(GptImageError):
    """The user refused the price, or could not be asked; nothing was sent."""


class InvalidConsentAnswer(GptImageError):
    """The client answered the question about the price in a form that does not fit the question."""

    def __init__(self) -> None:
        """Create the error with its message."""
        super().__init__("The client's answer to the question about the price makes no sense. Nothing was sent.")


class JobError(GptImageError):
    """A job ended without pictures."""


class JobStopped(JobError):
    """A job was stopped before anything was sent; nothing was billed."""

    def __init__(self) -> None:
        """Create the error with its message."""
        super().__init__("The work was stopped before anything was sent to the API; nothing was billed.")


class JobAbandoned(JobError):
    """A job that was sent goes on, but no call waits for it any longer, since the user has abandoned it."""

    def __init__(self, job_id: str) -> None:
        """Create the error with its message."""
        super().__init__(
            f"{job_id} was abandoned after it was sent, so it is billed all the same. If its picture still comes, it is"
            " saved, and list_images and get_image_job find it. Nothing waits for it any longer."
        )


class JobLost(JobError):
    """A job was under way when the process that ran it ended."""


class JobTaken(JobError):
    """Another process has the same job, which is not sent a second time."""

    def __init__(self, job_id: str) -> None:
        """Create the error with its message."""
        self.job_id = job_id
        super().__init__(
            f"Another process of this server has {job_id}, and what became of it there is not known here. Nothing was"
            " sent a second time: look at the newest pictures before you ask for it once more."
        )


class NotPassedOn(JobError):
    """A server ended before it sent a job, and there is no replica that could make it in its place."""

    def __init__(self) -> None:
        """Create the error with its message."""
        super().__init__(
            "This server ended before the request was sent: repeat the call. Nothing was sent or paid for the picture."
        )


class JobFailedElsewhere(JobError):
    """A job failed in another process; the message is that of its error there."""


class JoinedJobFailed(JobError):
    """The earlier, identical call that this one had joined failed."""


class ShuttingDown(GptImageError):
    """The server is shutting down: it takes no new work, and waits for no job of another process."""

    def __init__(self) -> None:
        """Create the error with its message."""
        super().__init__("The server is shutting down and takes no new work. Start it again, then repeat the call.")


class ProgramReplaced(GptImageError, ModuleNotFoundError):
    """The program was replaced or removed on the disk, and a part of it is needed that is not loaded yet."""

    def __init__(self, module: str) -> None:
        """`module` is what cannot be loaded."""
        super().__init__(
            "gpt-image-2-mcp was replaced on the disk by another version, or removed, since this server was started."
            f" Two versions must not be mixed, and {module} is not loaded yet. What was paid for is saved. Restart the"
            " MCP server in your client."
        )


class ApiError(GptImageError):
    """The API, or a proxy on the way to it, refused a request or failed."""

    may_be_billed: ClassVar[bool] = False
    """Whether a picture may have been made and billed in spite of the error."""

    def __init__(self, message: str, *, request_id: str | None = None, status: int | None = None) -> None:
        """Create the error with the request id, which OpenAI's support asks for, and the HTTP status."""
        super().__init__(message)
        self.request_id = request_id
        self.status = status
        self.from_sandbox = False

    def redact(self, hide: Callable[[str], str]) -> None:
        """Replace the secrets in the message and in the request id, which come from the backend."""
        self.args = (hide(super().__str__()),)
        self.request_id = self.request_id and hide(self.request_id)

    def __str__(self) -> str:
        """The message with the request id, and a note if the sandbox raised the error."""
        facts = [f"request id {self.request_id}"] if self.request_id else []
        facts += ["said by the sandbox, not by OpenAI"] if self.from_sandbox else []
        text = super().__str__()
        return f"{text.removesuffix('.')} ({'; '.join(facts)})." if facts else text


class ModerationRefused(ApiError):
    """The prompt or a picture was refused by moderation."""


class RateLimited(ApiError):
    """Too many requests; `retry_after` is in seconds, None if the API named no time."""

    def __init__(
        self, message: str, *, retry_after: float | None, request_id: str | None = None, status: int | None = None
    ) -> None:
        """Create the error with the time to wait."""
        super().__init__(message, request_id=request_id, status=status)
        self.retry_after = retry_after


class RouteRefused(ApiError):
    """This backend does not serve the route, or not with this model."""


class TransparencyRefused(ApiError):
    """The model makes no transparent pictures; nothing was billed."""


class Unavailable(ApiError):
    """The API could not be reached, or reported a failure of its own: nothing was billed."""


class OutcomeUnknown(ApiError):
    """The request was sent, and its answer was lost: it may have been billed."""

    may_be_billed = True

    def __init__(self, message: str, *, request_id: str | None = None, status: int | None = None) -> None:
        """Create the error; `NOT_SENT_AGAIN` is added to the message."""
        super().__init__(f"{message} {NOT_SENT_AGAIN}", request_id=request_id, status=status)


class BadAnswer(ApiError):
    """The API answered, but without a usable picture."""

    may_be_billed = True

    def __init__(self, message: str, *, request_id: str | None = None, status: int | None = None) -> None:
        """Create the error; `MAY_BE_BILLED` is added to the message."""
        super().__init__(f"{message} {MAY_BE_BILLED}", request_id=request_id, status=status)
