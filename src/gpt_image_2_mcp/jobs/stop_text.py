"""What is told of a job that was to be stopped."""

from ..errors import JobAbandoned
from .job import Job


def stop_text(job: Job, *, was_stopped: bool) -> str:
    """For a model: whether a job was stopped, and if not, what happens to it and which tool to call."""
    fact = stop_fact(job, was_stopped=was_stopped)
    match job.state:
        case "done":
            more = "; get_image_job fetches its pictures."
        case "failed":
            more = "; get_image_job tells why."
        case "lost":
            more = "; get_image_job tells what may have been billed."
        case "preparing" | "queued" if not was_stopped:
            more = ". get_image_job waits for it here."
        case "rendering" if not was_stopped:
            more = "; get_image_job fetches it."
            if not job.is_foreign:
                more += " With `abandon` true, calls wait for it no longer and its place goes to the next one, for the"
                more += " same price."
        case _:
            more = "."
    return fact.removesuffix(".") + more


def stop_fact(job: Job, *, was_stopped: bool) -> str:
    """For a person: whether a job was stopped, and if not, what happens to it."""
    match job.state:
        case "done" | "failed" | "lost":
            ended = {"done": "is done", "failed": "has failed", "lost": "is lost"}[job.state]
            text = f"{job.id} {ended} already{' with the process that did it' if job.state == 'lost' else ''}."
        case "abandoned":
            text = str(JobAbandoned(job.id))
        case _ if was_stopped:
            text = f"{job.id} is stopped. Nothing of it was sent to the API and nothing was billed."
        case "preparing" | "queued":
            text = (
                f"{job.id} belongs to another process of this server, which alone can stop it: cancel it in the chat or"
            )
            text += " the program that began it."
        case _:
            text = f"{job.id} was sent to the API already and is billed whatever happens, so it goes on and its picture"
            text += " is saved."
    return text
