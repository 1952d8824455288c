"""What a person is told who wanted to stop a job."""

from ..errors import JobAbandoned
from .job import Job


def stop_text(job: Job, *, was_stopped: bool) -> str:
    """Whether a job was stopped, and if not, what happens to it."""
    match job.state:
        case "done":
            text = f"{job.id} is done already; get_image_job fetches its pictures."
        case "failed":
            text = f"{job.id} has failed already; get_image_job tells why."
        case "lost":
            text = (
                f"{job.id} is lost already with the process that did it; get_image_job tells what may have been billed."
            )
        case _ if was_stopped:
            text = f"{job.id} is stopped. Nothing of it was sent to the API and nothing was billed."
        case "preparing" | "queued":
            text = (
                f"{job.id} belongs to another process of this server, which alone can stop it: cancel it in the chat or"
            )
            text += " the program that began it. get_image_job waits for it here."
        case "abandoned":
            text = str(JobAbandoned(job.id))
        case _:
            text = f"{job.id} was sent to the API already and is billed whatever happens, so it goes on and its picture"
            text += " is saved; get_image_job fetches it."
            if not job.is_foreign:
                text += " With `abandon` true, calls wait for it no longer and its place goes to the next one, for the"
                text += " same price."
    return text
