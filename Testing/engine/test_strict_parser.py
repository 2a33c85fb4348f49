"""No option is passed over: given twice, empty, or shortened."""

from __future__ import annotations

import argparse

import pytest

from coranet.command_line.strict_parser import StrictParser, with_home


@pytest.fixture
def parser() -> StrictParser:
    made = StrictParser(prog="p")
    command = made.add_subparsers(required=True).add_parser("do")
    command.add_argument("inputs", nargs="+")
    command.add_argument("--output", "-o", required=True)
    command.add_argument("--number", type=int, default=3)
    command.add_argument("--pair", nargs=2)
    command.add_argument("--set", action="append", default=[])
    command.add_argument("--quiet", action="store_true")
    return made


READ = [
    ("do a --output x", {"inputs": ["a"], "output": "x", "number": 3, "set": []}),
    ("do a b -o x --number 5", {"inputs": ["a", "b"], "output": "x", "number": 5}),
    ("do a -o x --set k=1 --set l=2 --quiet --quiet", {"set": ["k=1", "l=2"], "quiet": True}),
    ("do a -o x --pair 1 2", {"pair": ["1", "2"]}),
]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("~/scans", "HOME/scans"),
        ("--output=~/job", "--output=HOME/job"),
        ("plan_of=~", "plan_of=HOME"),
        ("a~b=c", "a~b=c"),
        ("--set", "--set"),
        ("k=a~/b", "k=a~/b"),
        ("", ""),
    ],
)
def test_the_home_folder_is_found_where_a_shell_leaves_it(monkeypatch, word, expected):
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", "HOME") if path[:1] == "~" else path)
    assert with_home([word]) == [expected]


@pytest.mark.parametrize(("line", "expected"), READ, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_given_once_is_taken(parser, line, expected):
    options = vars(parser.parse_args(line.split()))
    assert {name: options[name] for name in expected} == expected
    # A parser can be used again.
    assert vars(parser.parse_args(line.split()))["inputs"] == options["inputs"]


REFUSED = [
    (["do", "a", "--output", "x", "--output", "y"], "--output/-o: it is given twice; leave one of them out"),
    (["do", "a", "--output", "x", "--output", "x"], "it is given twice"),
    (["do", "a", "--output", "x", "-o", "y"], "it is given twice"),
    (["do", "a", "-o", "x", "--number", "3", "--number", "4"], "--number: it is given twice"),
    (["do", "a", "-o", "x", "--pair", "1", "2", "--pair", "1", "2"], "--pair: it is given twice"),
    (["do", "a", "--output", ""], "--output/-o: it is empty, perhaps because a variable is not set"),
    (["do", "a", "--output="], "it is empty"),
    (["do", "", "-o", "x"], "inputs: it is empty"),
    (["do", "a", "", "-o", "x"], "inputs: it is empty"),
    (["do", "a", "-o", "x", "--pair", "1", ""], "--pair: it is empty"),
    (["do", "a", "--out", "x"], "the following arguments are required: --output"),
    (["do", "a", "-o", "x", "--num", "4"], "unrecognized arguments: --num 4"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED, ids=[" ".join(row[0]) for row in REFUSED])
def test_what_would_be_passed_over_is_refused(parser, capsys, arguments, sentence):
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(arguments)
    assert caught.value.code == 2 and sentence in capsys.readouterr().err


def test_what_was_given_leaves_options_as_argparse_has_them(parser):
    options = parser.parse_args(["do", "a", "-o", "x"])
    assert isinstance(options, argparse.Namespace) and options.inputs == ["a"]
