"""The editors of JSON with comments, TOML and YAML: the value is where it should be, and all else is as it was."""

import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import rounds

from gpt_image_2_mcp.install.formats import json_editor, toml_editor, yaml_editor
from gpt_image_2_mcp.install.formats.json_editor import ItemWith
from gpt_image_2_mcp.install.formats.unreadable import Unreadable

ENTRY: dict[str, Any] = {"command": "/usr/bin/uvx", "args": ["x@1"], "env": {"KEY": "${KEY}"}}
PATH = ("mcpServers", "gpt-image-2")

Document = tuple[str, Any]
"""The text of a document, and what it says."""

GAPS = st.sampled_from(["", " ", "\n", "\n  ", "\t", "\r\n", '// c {"\n', "/* } , */", " \n // x\n ", "\r\n\t// ]\r\n"])
NAMES = st.sampled_from(["mcpServers", "servers", "a", "b", "gpt-image-2", 'ü"x', "{", "//"])
SCALARS: st.SearchStrategy[Document] = st.one_of(
    st.integers(-5, 5), st.booleans(), st.none(), st.text(max_size=6), st.floats(allow_nan=False, allow_infinity=False)
).map(lambda value: (json.dumps(value), value))


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[Document]) -> Document:
    elements = draw(st.lists(values, max_size=3))
    parts = [draw(GAPS) + text + draw(GAPS) for text, _ in elements]
    comma = "," + draw(GAPS) if parts and draw(st.booleans()) else draw(GAPS) if not parts else ""
    return "[" + ",".join(parts) + comma + "]", [value for _, value in elements]


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[Document]) -> Document:
    members = draw(st.dictionaries(NAMES, values, max_size=4))
    parts = [
        f"{draw(GAPS)}{json.dumps(name)}{draw(GAPS)}:{draw(GAPS)}{text}{draw(GAPS)}"
        for name, (text, _) in members.items()
    ]
    comma = "," + draw(GAPS) if parts and draw(st.booleans()) else draw(GAPS) if not parts else ""
    return "{" + ",".join(parts) + comma + "}", {name: value for name, (_, value) in members.items()}


VALUES = st.recursive(SCALARS, lambda inner: st.one_of(arrays(inner), objects(inner)), max_leaves=8)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text, value = draw(objects(st.one_of(VALUES, objects(VALUES))))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return mark + draw(GAPS) + text + draw(GAPS), value


def is_inserted(before: str, after: str) -> bool:
    """Whether a text became another by insertions alone: every character is there still, in its order."""
    rest = iter(after)
    return all(char in rest for char in before)


@settings(max_examples=rounds(40, 1000))
@pytest.mark.slow
@given(documents())
def test_an_entry_is_added_to_json_and_every_character_stays(document: Document) -> None:
    text, value = document
    assert json_editor.read(text) == value
    servers = value.get(PATH[0], {})
    if not isinstance(servers, dict):
        with pytest.raises(Unreadable, match="object"):
            json_editor.put(text, PATH, ENTRY)
        return
    changed = json_editor.put(text, PATH, ENTRY)
    assert json_editor.read(changed) == {**value, PATH[0]: {**servers, PATH[1]: ENTRY}}
    assert json_editor.put(changed, PATH, ENTRY) == changed
    if PATH[1] not in servers:
        assert is_inserted(text, changed)


@settings(max_examples=rounds(40, 1000))
@pytest.mark.slow
@given(documents())
def test_an_entry_is_removed_from_json_with_its_comma_alone(document: Document) -> None:
    text, value = document
    servers = value.get(PATH[0], {})
    if not isinstance(servers, dict):
        return
    removed = json_editor.remove(text, PATH)
    rest = {name: one for name, one in cast("dict[str, Any]", servers).items() if name != PATH[1]}
    assert json_editor.read(removed) == ({**value, PATH[0]: rest} if PATH[0] in value else value)
    assert is_inserted(removed, text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n  "a": 1 // one\n}\n', '{\n  "a": 1, // one\n  "n": 2\n}\n'),
        ('{\n\t"a": 1, // one\n}', '{\n\t"a": 1, // one\n\t"n": 2,\n}'),
        ('{\r\n    "a": {}\r\n}', '{\r\n    "a": {},\r\n    "n": 2\r\n}'),
        ("{ // nothing yet\n}", '{ // nothing yet\n  "n": 2\n}'),
        ("", '{\n  "n": 2\n}\n'),
        ("\ufeff", '\ufeff{\n  "n": 2\n}\n'),
        ("// mine\n", '// mine\n{\n  "n": 2\n}\n'),
    ],
)
def test_what_is_added_to_json_looks_like_the_rest(before: str, after: str) -> None:
    assert json_editor.put(before, ["n"], 2) == after


def test_an_element_of_an_array_is_found_by_its_member() -> None:
    path = ["inputs", ItemWith("id", "key")]
    text = '{"inputs": [{"id": "other"}]}'
    added = json_editor.put(text, path, {"id": "key"})
    assert json_editor.read(added) == {"inputs": [{"id": "other"}, {"id": "key"}]}
    assert json_editor.put(added, path, {"id": "key"}) == added
    assert json_editor.read(json_editor.remove(added, path)) == json_editor.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "{", '{"a":}', "[1]", "{} x", "{'a':1}", "null", '{"mcpServers":[]}', "/* ", '{"a" 1}',
        '{"a":1 "b":2}', '{"a":01}',
        '{"mcpServers":{},"mcpServers":{}}',
        '{"mcpServers":{"gpt-image-2":1,"gpt-image-2":2}}', "{,}", '{"a":truex}',
        "[" * 5000, '{"a":"\n"}', f'{{"a":{"9" * 5000}}}',
    ],
)  # fmt: skip
def test_json_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        json_editor.put(text, PATH, ENTRY)


def test_the_reason_names_the_place_and_not_what_is_there() -> None:
    """It may be a key."""
    with pytest.raises(Unreadable, match=r"^line 2, column 9: there should be a value$"):
        json_editor.read('{\n "key": sk-secret}')


CODEX = "mcp_servers", "gpt-image-2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n",
        'model = "x"',
        '# mine\nmodel = "x"  # keep\n\n[mcp_servers.other]\ncommand = "a"\nargs = [ "b", ]\n\n[tui]\n# end\n',
        "a = 1\r\n[mcp_servers.other]\r\nc = 1\r\n# end\r\n",
        "\ufeffa = 1\n",
        "[mcp_servers]\n",
        'mcp_servers = {other = {command = "x"}}\n',
        "[mcp_servers.o]\nc = 1\n[x]\ny = 1\n[mcp_servers.p]\nc = 1\n",
    ],
)
def test_an_entry_is_added_to_toml_and_every_character_stays(text: str) -> None:
    changed = toml_editor.put(text, CODEX, ENTRY)
    value = toml_editor.read(text)
    assert toml_editor.read(changed) == {**value, CODEX[0]: {**value.get(CODEX[0], {}), CODEX[1]: ENTRY}}
    assert is_inserted(text, changed)
    assert toml_editor.put(changed, CODEX, ENTRY) == changed
    assert toml_editor.read(toml_editor.remove(changed, CODEX)).get(CODEX[0], {}) == value.get(CODEX[0], {})
    other = toml_editor.put(changed, (*CODEX, "args"), ["x@2"])
    assert toml_editor.read(other)[CODEX[0]][CODEX[1]] == {**ENTRY, "args": ["x@2"]}


@pytest.mark.parametrize(
    "text", ["[a\n", "[[mcp_servers]]\n", "mcp_servers = 1\n", "a = 1\na = 2\n", f"a = {'9' * 5000}\n"]
)
def test_toml_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        toml_editor.put(text, CODEX, ENTRY)


GOOSE = "extensions", "gpt-image-2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n",
        "a: 1",
        "extensions:\n",
        "extensions: {}\n",
        "extensions: # none yet\nb: 1\n",
        "extensions: {a: {b: 1}}\n",
        '# mine\nextensions:\n  other:   # keep\n    cmd: x\n    enabled: true\n\n# tail\nMODEL: "x"\n',
        "extensions:\r\n    o:\r\n        args:\r\n        - a\r\n        d: |\r\n          text\r\n\r\nz: 1\r\n",
        "\ufeffextensions:\n  a:\n    b: 'it''s'\n",
        "---\na: 1\n...\n",
    ],
)
def test_an_entry_is_added_to_yaml_and_every_character_stays(text: str) -> None:
    changed = yaml_editor.put(text, GOOSE, ENTRY)
    value = yaml_editor.read(text)
    servers: dict[str, Any] = value.get(GOOSE[0]) or {}
    assert yaml_editor.read(changed) == {**value, GOOSE[0]: {**servers, GOOSE[1]: ENTRY}}
    assert text == "extensions: {}\n" or is_inserted(text, changed)
    assert yaml_editor.put(changed, GOOSE, ENTRY) == changed
    assert (yaml_editor.read(yaml_editor.remove(changed, GOOSE)).get(GOOSE[0]) or {}) == servers
    other = yaml_editor.put(changed, (*GOOSE, "args"), ["x@2"])
    assert yaml_editor.read(other)[GOOSE[0]][GOOSE[1]] == {**ENTRY, "args": ["x@2"]}
    assert yaml_editor.read(yaml_editor.remove(other, (*GOOSE, "args")))[GOOSE[0]][GOOSE[1]].get("args") is None


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "a: [",
        "a: 1\na: 2",
        "- a",
        "extensions: 1\n",
        "extensions: [a]\n",
        "\tx: 1\n",
        "a: 1\n---\nb: 2\n",
        "a: &a [*a]\n",
    ],
)
def test_yaml_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        yaml_editor.put(text, GOOSE, ENTRY)
