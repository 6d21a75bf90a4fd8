"""Where keys stand, in text that tomllib takes."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgebox.toml_lines import Steps, lines_of_keys

EVERYTHING = r'''
top = 2  # every number is the line it stands in
"quoted \u00e5.key" = 3
'literal key' = 4
dotted . "k.e.y" = 5
text = """
[not.a.table]
no = "key"
\"""" # still text """
after = 10
raw = """x"""""
literal = \'\'\'
a = 1 # ' ''
\'\'\'
after_literal = 15
date = [1979-05-27 07:32:00, 1979-05-27T07:32:00Z, 07:32:00]
list = [
    18, # one

    20, [ 20, [
    21 ] ],
    { in = 22, deep = { er = 22 } }
]
empty = [ ]
nothing = {}

[a.b]
x = 28
[a.b.c]
x = 30
[[rows]]
x = 32
[rows.sub]
x = 34
[[rows.inner]]
x = 36
[[rows.inner]]
x = 38
[[rows]]
x = 40
[[rows.inner]]
x = 42
  [ rows . "inner" . z ]
  x=44'''.replace("\\'", "'")


def leaves(data: Any, steps: Steps = ()) -> list[tuple[Steps, Any]]:
    if isinstance(data, dict):
        return [one for key, value in data.items() for one in leaves(value, (*steps, key))]
    if isinstance(data, list):
        return [one for n, value in enumerate(data) for one in leaves(value, (*steps, n))]
    return [(steps, data)]


def test_every_number_knows_its_line() -> None:
    found = lines_of_keys(EVERYTHING)
    numbers = [
        (steps, value) for steps, value in leaves(tomllib.loads(EVERYTHING)) if type(value) is int
    ]
    assert len(numbers) == 21
    for steps, value in numbers:
        assert found[steps] == value, steps
    assert found["a", "b"] == 27
    assert found["rows", 1] == 39
    assert found["rows", 1, "inner", 0, "z"] == 43
    assert found["date", 2] == 16


keys = st.sampled_from(["a", "b", "b-1_", "'å.'", '"# [\\"="'])
numbers = st.just("LINE")
values = st.recursive(
    st.one_of(
        numbers,
        st.sampled_from(['"#"', "'[['", '"""\n#\n"""', "'''\n'\n'''", "1e5", "07:00:00", "[\n]"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[ # x\n" + ",\n".join(items) + "]"),
        st.tuples(keys, inner).map(lambda pair: f"{{{pair[0]} = {pair[1]}}}"),
    ),
    max_leaves=5,
)
lines = st.one_of(
    st.tuples(st.lists(keys, min_size=1, max_size=3).map(".".join), values).map(" = ".join),
    st.lists(keys, min_size=1, max_size=3).map(lambda parts: f"[{' . '.join(parts)}]"),
    st.lists(keys, min_size=1, max_size=3).map(lambda parts: f"[[{'.'.join(parts)}]] # ]"),
)


@given(st.lists(lines, max_size=10).map("\n".join))
def test_lines_agree_with_tomllib(text: str) -> None:
    numbered = "\n".join(
        line.replace("LINE", str(number)) for number, line in enumerate(text.split("\n"), 1)
    )
    try:
        data = tomllib.loads(numbered)
    except tomllib.TOMLDecodeError:
        return
    found = lines_of_keys(numbered)
    for steps, value in leaves(data):
        assert type(value) is not int or found[steps] == value
