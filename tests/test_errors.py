import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsenet.errors import ConfigError, Problem, SparsenetError, listed, nearest, suggested

KEYS = ["momentum", "momentum2", "max_iter", "lr_policy"]


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (Problem("a.yaml:3", "max_iter", "is missing"), "a.yaml:3: max_iter: is missing"),
        (Problem("a.yaml", "", "is empty"), "a.yaml: is empty"),
        (Problem("", "", "no such thing"), "no such thing"),
        (Problem("a\nb", "k\x1b[31m", "'\u2028'"), r"a\nb: k\x1b[31m: '\u2028'"),
        (Problem("", "größe", "ok"), "größe: ok"),
    ],
)
def test_a_problem_is_one_line(problem, line):
    assert str(problem) == line


@given(st.text(), st.text(), st.text(min_size=1))
def test_a_problem_is_one_printable_line_whatever_it_quotes(where, key, message):
    line = str(Problem(where, key, message))
    assert line.isprintable()
    assert len(line.splitlines()) == 1


def test_a_config_error_has_a_line_for_each_problem():
    problems = [Problem("a:1", "x", "is missing"), Problem("", "", "bad")]
    error = ConfigError(problems)
    assert error.problems == tuple(problems)
    assert str(error).splitlines() == ["a:1: x: is missing", "bad"]


def test_a_config_error_of_one_problem_or_just_words():
    assert ConfigError(Problem("a", "b", "c")).problems == (Problem("a", "b", "c"),)
    assert ConfigError("words").problems == (Problem("", "", "words"),)
    assert str(ConfigError("words")) == "words"


def test_exit_codes():
    assert (SparsenetError.exit_code, ConfigError.exit_code) == (1, 2)
    assert issubclass(ConfigError, SparsenetError)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("momentumm", "; did you mean 'momentum'?"),
        ("MOMENTUM", "; did you mean 'momentum'?"),
        ("momentun2", "; did you mean 'momentum2'?"),
        ("lr_polciy", "; did you mean 'lr_policy'?"),
        ("zzz", ""),
        ("", ""),
        (None, ""),
        (["max_iter"], "; did you mean 'max_iter'?"),
    ],
)
def test_nearest(name, words):
    assert nearest(name, KEYS) == words


def test_nearest_keeps_the_spelling_of_the_valid_name():
    assert nearest("innerproduct", ["InnerProduct"]) == "; did you mean 'InnerProduct'?"
    assert nearest("x", []) == ""


def test_nearest_completes_a_word():
    keys = ["pad", "kernel_size", "kernel_w"]
    assert nearest("Kernel", keys) == "; did you mean 'kernel_size'?"
    assert nearest("kernel_h", keys) == "; did you mean 'kernel_w'?"


def test_nearest_takes_no_time_for_a_text_of_a_megabyte():
    assert nearest("x" * 2**20, ["x" * 50]) == "; did you mean '" + "x" * 50 + "'?"


def test_suggested_lists_the_names_where_none_is_near():
    assert suggested("max_itr", KEYS) == "; did you mean 'max_iter'?"
    assert suggested("zzz", KEYS) == "; it may be momentum, momentum2, max_iter or lr_policy"
    assert suggested("zzz", iter(["a"])) == "; it may be a"
    assert suggested("zzz", []) == ""


def test_listed():
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a or b"
    assert listed(name for name in "abc") == "a, b or c"
