"""No test has a bound of its own: a machine under load makes the tests slow and not red."""

import ast
from pathlib import Path

SHORT_S = 1
"""What is shorter is no bound on how long something may take: it is there to pass."""


def bounds(source: str) -> list[str]:
    """The calls that wait for a number of seconds, as they are written."""
    found: list[str] = []
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords):
                waits = name in {"fail_after", "move_on_after", "wait", "join", "poll", "Timer", "result", "acquire"}
                values = [*(args[:1] if waits else []), *(k.value for k in keywords if k.arg == "timeout")]
                if any(isinstance(each, ast.Constant) and _is_long(each.value) for each in values):
                    found.append(ast.unparse(call))
            case _:
                pass
    return found


def _is_long(value: object) -> bool:
    return isinstance(value, int | float) and value > SHORT_S


def test_every_bound_of_a_test_is_the_one_of_all() -> None:
    found = {
        path.name: bounds(path.read_text(encoding="utf-8"))
        for path in Path(__file__).parent.rglob("*.py")
        if path.name != Path(__file__).name
    }
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_bounds_are_found() -> None:
    """Or else the test above would be true of anything."""
    source = "anyio.fail_after(5); run(x, timeout=60); thread.join(10); run(x, timeout=PATIENCE_S); event.wait(0.1)"
    assert bounds(source) == ["anyio.fail_after(5)", "run(x, timeout=60)", "thread.join(10)"]
