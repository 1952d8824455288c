"""`Environment`: reads environment variables once into an immutable object; what is wrong becomes sentences.

A variable counts as unset if it is empty, or still holds a `${…}` that the client did not fill in and that, in a
folder's path, names no variable of the environment.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import NotConfigured, shown
from .parameters.validation import describe_rule
from .paths.written_folder import expand_variables, unquoted_folder

_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")


class Environment(BaseModel):
    """Settings; the alias of each field is its environment variable, its docstring is the documentation."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    FOLDERS: ClassVar[tuple[str, ...]] = ()
    """The settings that name folders: variables of the environment are replaced in them."""
    WHERE: ClassVar[str]
    """Where a person corrects a wrong value."""

    problems: tuple[str, ...] = ()
    """Not from the environment: a sentence for each variable whose value is wrong."""

    @classmethod
    def variables(cls) -> Mapping[str, str]:
        """The field name of each environment variable, in the order of the documentation."""
        return {field.alias: name for name, field in cls.model_fields.items() if field.alias}

    @classmethod
    def read_with(cls, environ: Mapping[str, str], **others: Any) -> Self:
        """Read the variables from an environment; `others` are the fields that have none.

        The default stands in for a wrong value, which becomes a sentence in `problems`.
        """
        given = {name: environ.get(name, "").strip() for name in cls.variables()}
        given |= {name: expand_variables(unquoted_folder(given[name]), environ) for name in cls.FOLDERS}
        values: dict[str, Any] = {name: value for name, value in given.items() if not _is_unset(value)}
        try:
            return cls.model_validate(values | others)
        except ValidationError as error:
            wrong = {str(finding["loc"][0]): finding for finding in error.errors()}
            problems = tuple(cls._describe_problem(name, values[name], finding) for name, finding in wrong.items())
            right = {name: value for name, value in values.items() if name not in wrong}
            return cls.model_validate(right | others | {"problems": problems})

    def require_valid(self) -> None:
        """Check that no value is wrong; raises NotConfigured."""
        if self.problems:
            raise NotConfigured("\n".join(self.problems))

    @classmethod
    def holds_secret(cls, variable: str, value: str) -> bool:
        """Whether the value of a variable, even an incomplete one, may hold a secret, so that no message repeats it."""
        raise NotImplementedError

    @classmethod
    def _describe_problem(cls, name: str, value: str, finding: Any) -> str:
        expected = finding.get("ctx", {}).get("error")
        properties = cast("dict[str, Any]", cls.model_json_schema(by_alias=True)["properties"])
        got = "a value that is not shown here" if cls.holds_secret(name, value) else shown(value)
        expected = expected or describe_rule(properties[name])
        return f"{name} must be {expected}; it is {got}. Correct it {cls.WHERE}."


def _is_unset(value: str) -> bool:
    return not value or _PLACEHOLDER.search(value) is not None
