from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.errors import ConfigError
from sensorium.host._document import dotted, parse_yaml, read_document


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        ("5", 5),
        ("'5'", "5"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("0x1F", 31),
        ("007", 7),
        ("~", None),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("+.5", 0.5),
        ("[a, 1]", ["a", 1]),
    ],
)
def test_scalars_are_read_by_yaml_1_2(written: str, value: object) -> None:
    read = parse_yaml(written).value
    assert read == value
    assert type(read) is type(value)


def test_every_key_knows_its_line() -> None:
    document = parse_yaml("a:\n  b:\n    - 1\n    - c: 2\nd:\n  5\n")
    assert [document.line(path) for path in [("a",), ("a", "b"), ("a", "b", 1, "c"), ("d",)]] == [
        1,
        2,
        4,
        5,
    ]
    assert document.line(("a", "b", "missing")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"a \(line 3\): given twice, first on line 1"),
        ("a: &x [1]\nb: *x\n", r"line 2: the alias \*x is not supported: write the value out"),
        ("a: !!python/object:os.system {}\n", r"a \(line 1\): the tag '.*' is not supported"),
        ("a: !!binary aGk=\n", "is not supported"),
        ("1: a\n", "a key must be a text; put it in quotes"),
        ("a: [1\n", r"line 2: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("!!int x", "'x' is not a number"),
        ("a: \x07", "not valid YAML: unacceptable character"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_yaml(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nothing.yaml: No such file"):
        read_document(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(ConfigError, match=r"latin.yaml is not UTF-8 text"):
        read_document(tmp_path / "latin.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(ConfigError, match=r"empty.yaml is empty"):
        read_document(tmp_path / "empty.yaml")
    (tmp_path / "twice.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(ConfigError, match=r"twice.yaml: a \(line 2\): given twice"):
        read_document(tmp_path / "twice.yaml")


def test_a_path_is_written_as_in_the_file() -> None:
    assert dotted(("tasks", "x", "labels", 2, "a")) == "tasks.x.labels[2].a"


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(
            st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f\x85")
        ),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text("abcdefgh", min_size=1), inner, max_size=4)
        ),
        max_leaves=10,
    )
)
def test_what_pyyaml_writes_is_read_as_it_was(value: object) -> None:
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    # Quoted: PyYAML decides by YAML 1.1 which texts need it.
    written = yaml.dump(value, Dumper=Dumper, allow_unicode=True, default_style='"')
    assert parse_yaml(written).value == value
