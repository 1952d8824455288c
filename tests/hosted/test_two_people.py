"""Two people work in two clients at once behind haproxy, and a replica is killed: nothing is lost, mixed or paid twice.

Alice has the Python client, Bob the TypeScript one; both log in at the identity provider. The services are those of the
Compose file.
"""

import base64
import re
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import anyio
import httpx2
import pytest
from mcp_types import CallToolResult
from patience import PATIENCE_S
from promises import promise
from stdio_bench import Box
from workbench import JOB, KEY, META, SMALL, said

from .conftest import RunComposed
from .parts.composed import Composed
from .parts.identity_provider import IdentityProvider
from .parts.logged_in import CallFailed, PersonsClient, Where, python_client, typescript_client

pytestmark = [pytest.mark.anyio, pytest.mark.thorough, pytest.mark.skipif(sys.platform != "linux", reason="Linux's")]

AT_ONCE = 3
"""Pictures that each person has made at the moment of the kill."""
CLIENT_GIVES_UP_S = 25.0
"""How long the TypeScript client waits for an answer whose connection broke, in place of a minute.

A call that is repeated sooner than after 20 s is taken for another wish, unless the replica is gone.
"""
LOST = "It may have been billed"


@pytest.fixture
def composed(composed_with_login: RunComposed) -> Iterator[Composed]:
    with composed_with_login(GPT_IMAGE_2_LEASE_S="3", GPT_IMAGE_2_PICTURES_PER_MINUTE="1000") as services:
        yield services


@dataclass
class Person:
    """A person at work, and what they have been given."""

    client: PersonsClient
    name: str
    pictures: dict[str, str] = field(default_factory=dict[str, str])
    """The SHA-256 of each picture that an answer showed, by its id."""
    prompts: dict[str, str] = field(default_factory=dict[str, str])
    """The id of the picture, by its prompt."""
    told_lost: list[str] = field(default_factory=list[str])
    """The prompts of pictures that were told as lost."""
    unanswered: int = 0

    async def ask(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool, and again while the call has no answer."""
        while True:
            try:
                return await self.client.call(tool, **arguments)
            except CallFailed:
                self.unanswered += 1

    async def make(self, tool: str, **arguments: Any) -> str:
        """Have a picture made as a person would who sees it through; gives its id.

        A call that gets no answer is made again, one that gives the id of its job is fetched, and what is told as lost
        is asked for anew, once that is known.
        """
        while True:
            result = await self.ask(tool, **arguments)
            while JOB in (result.meta or {}):
                result = await self.ask("get_image_job", job_id=(result.meta or {})[JOB]["job_id"])
            if not result.is_error:
                break
            assert LOST in said(result), said(result)
            self.told_lost.append(arguments["prompt"])
        (picture,) = (result.meta or {})[META]["images"]
        self.pictures[picture["id"]] = picture["sha256"]
        self.prompts[arguments["prompt"]] = picture["id"]
        return picture["id"]

    async def draw(self, what: str) -> str:
        return await self.make("generate_image", prompt=f"{what} for {self.name}", size=SMALL, quality="low")

    async def draw_several(self) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(self.draw, f"fox number {number}")


@asynccontextmanager
async def two_people(composed: Composed, provider: IdentityProvider) -> AsyncGenerator[tuple[Person, Person]]:
    where = Where(composed.url, provider, composed.authority)
    async with (
        python_client(where, "alice") as python,
        typescript_client(where, "bob", client="1", within_s=CLIENT_GIVES_UP_S) as typescript,
    ):
        yield Person(python, "alice"), Person(typescript, "bob")


async def begin(person: Person, sessions: dict[str, str]) -> None:
    """Draw, edit in a session, list, show, and ask for costs."""
    first = await person.draw("a red fox")
    prompt = f"a hat for the fox of {person.name}"
    await person.make("start_edit_session", prompt=prompt, images=[first], quality="low", size=SMALL)
    (sessions[person.name],) = re.findall(r"session-[0-9a-f]+", said(await person.ask("list_edit_sessions")))[:1]
    await go_on(person, sessions, "a scarf")
    assert not (await person.ask("show_image", image=first)).is_error
    assert "Spent" in said(await person.ask("image_costs"))


async def go_on(person: Person, sessions: dict[str, str], what: str) -> None:
    prompt = f"{what} for the fox of {person.name}"
    await person.make("continue_edit_session", session_id=sessions[person.name], prompt=prompt, quality="low")


@promise(
    "Several replicas",
    "A replica that is killed while two people work in two clients loses no picture, mixes none up and pays none twice",
)
async def test_two_people_lose_nothing_when_a_replica_is_killed(
    composed: Composed, identity_provider: IdentityProvider, box: Box
) -> None:
    sessions = dict[str, str]()
    async with two_people(composed, identity_provider) as people:
        async with anyio.create_task_group() as tasks:
            for person in people:
                tasks.start_soon(begin, person, sessions)
        before = await box.count("paid")
        assert before == sum(len(person.pictures) for person in people)

        await box.turn(hold=True)
        async with anyio.create_task_group() as tasks:
            for person in people:
                tasks.start_soon(person.draw_several)
            await box.reached(before + AT_ONCE * len(people))
            await anyio.to_thread.run_sync(composed.kill, "images-1")
            await box.release()
        lost = sum(len(person.told_lost) for person in people)
        assert lost, "the replica that was killed had nothing to do"
        for person in people:
            assert len(person.told_lost) == len(set(person.told_lost)), "what is lost is told once"
            await go_on(person, sessions, "boots")
        made = sum(len(person.pictures) for person in people)
        assert await box.count("paid") == made + lost, "each wish is paid once, and once more where its maker knew"

        alice, bob = people
        await each_has_their_own(alice, bob, composed)
        await each_has_their_own(bob, alice, composed)
        await are_those_of_the_backend(people, box)


async def each_has_their_own(person: Person, other: Person, composed: Composed) -> None:
    """Each picture exactly once, by list and by link; and nothing of the other person."""
    answer = await person.ask("list_images")
    assert sorted(one["id"] for one in (answer.meta or {})["gpt-image-2/pictures"]) == sorted(person.pictures)
    listed = said(answer)
    assert all(listed.count(picture) == 1 for picture in person.pictures)
    for picture, digest in person.pictures.items():
        shown = said(await person.ask("show_image", image=picture))
        (link,) = set(re.findall(r'"(https://\S+?)"', shown))
        assert link.startswith(composed.store)
        async with httpx2.AsyncClient(verify=composed.trust) as browser:
            fetched = await browser.get(link, timeout=PATIENCE_S)
        assert sha256(fetched.content).hexdigest() == digest
    for picture in other.pictures:
        assert picture not in listed
        assert (await person.ask("show_image", image=picture)).is_error
        with pytest.raises(CallFailed):
            await person.client.read(f"gpt-image-2://pictures/{picture}")


async def are_those_of_the_backend(people: tuple[Person, ...], box: Box) -> None:
    """Each new picture is what the backend gives for the request that it got."""
    known = {prompt: person.pictures[picture] for person in people for prompt, picture in person.prompts.items()}
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=PATIENCE_S) as http:
        recorded = (await http.get(f"{box.url.removesuffix('/v1')}/_sandbox/requests")).json()
        asked = {
            request["params"]["prompt"]: request["params"]
            for request in recorded
            if request["path"].endswith("/generations")
        }
        drawn = [prompt for prompt in known if prompt in asked]
        assert len(drawn) == len(people) * (1 + AT_ONCE)
        for prompt in drawn:
            again = (await http.post(f"{box.url}/images/generations", json=asked[prompt])).json()
            assert sha256(base64.b64decode(again["data"][0]["b64_json"])).hexdigest() == known[prompt]
