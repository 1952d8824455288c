"""What is told of a job that was to be stopped."""

from ..errors import JobAbandoned
from .job import Job


def stop_text(job: Job, *, was_stopped: bool) -> str:
    """For a model: whether a job was stopped, and if not, what happens to it and which tool to call."""
    fact = stop_fact(job, was_stopped=was_stopped)
    match job.state:
        case "done":
            return f"{fact}; get_image_job fetches its pictures."
        case "failed":
            return f"{fact}; get_image_job tells why."
        case "lost":
            return f"{fact}; get_image_job tells what may have been billed."
        case "abandoned":
            return fact
        case _ if was_stopped:
            return f"{fact}."
        case "preparing" | "queued":
            return f"{fact}. get_image_job waits for it here."
        case _:
            more = " With `abandon` true, calls wait for it no longer and its place goes to the next one, for the same price."
            return f"{fact}; get_image_job fetches it.{'' if job.is_foreign else more}"


def stop_fact(job: Job, *, was_stopped: bool) -> str:
    """For a person: whether a job was stopped, and if not, what happens to it; without the full stop."""
    match job.state:
        case "done":
            return f"{job.id} is done already"
        case "failed":
            return f"{job.id} has failed already"
        case "lost":
            return f"{job.id} is lost already with the process that did it"
        case "abandoned":
            return str(JobAbandoned(job.id))
        case _ if was_stopped:
            return f"{job.id} is stopped. Nothing of it was sent to the API and nothing was billed"
        case "preparing" | "queued":
            return (
                f"{job.id} belongs to another process of this server, which alone can stop it: cancel it in the chat or"
                " the program that began it"
            )
        case _:
            return f"{job.id} was sent to the API already and is billed whatever happens, so it goes on and its picture is saved"
