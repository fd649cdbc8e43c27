"""Short texts that a regular expression finds, and a match that takes linear time.

Python's parser reads the expression; a nondeterministic automaton does the rest. Look-arounds and word boundaries are
not in the automaton: texts are tried against Python's own engine then, as long as they are short.
"""

from __future__ import annotations

import re
import string
from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import lru_cache

# Python's own parser, private but unchanged since 2.x; hypothesis and others read its trees too.
from re import _constants as ops
from re import _parser
from typing import Any, Final

_MAX_STATES: Final = 5_000
_MAX_STEPS: Final = 100_000
_MAX_LENGTH: Final = 4_096
_LOOKED_AT: Final = 64  # characters that Python's engine may be given; it takes exponential time with nested repeats
_LOOKED_AT_NESTED: Final = 16
_SAMPLES: Final = 4
_NAMED_GROUP: Final = re.compile(r"\(\?<(?=[A-Za-z_])")
_LIKED: Final = "a0A" + string.ascii_letters + string.digits + " -_.:/@+#,;=~%&!?*$()[]{}|<>^`'\"\\\t\né中"

CharacterTest = Callable[[str], bool]

_CATEGORIES: Final[dict[Any, CharacterTest]] = {  # as in JavaScript, whose expressions schemas have
    ops.CATEGORY_DIGIT: lambda one: one in string.digits,
    ops.CATEGORY_SPACE: lambda one: one.isspace() or one == "\ufeff",
    ops.CATEGORY_WORD: lambda one: one == "_" or (one.isascii() and one.isalnum()),
    ops.CATEGORY_NOT_DIGIT: lambda one: one not in string.digits,
    ops.CATEGORY_NOT_SPACE: lambda one: not one.isspace() and one != "\ufeff",
    ops.CATEGORY_NOT_WORD: lambda one: one != "_" and not (one.isascii() and one.isalnum()),
}
_BEGINS: Final = (ops.AT_BEGINNING, ops.AT_BEGINNING_STRING)
_ENDS: Final = (ops.AT_END, ops.AT_END_STRING)


class PatternProblem(ValueError):
    """The expression is wrong, or one that the fakes do not read. The text is one line without a full stop."""


@lru_cache(maxsize=256)
def read_pattern(pattern: str) -> Pattern:
    """The expression, read as JavaScript would as far as Python can. PatternProblem."""
    try:
        return Pattern(_NAMED_GROUP.sub("(?P<", pattern))
    except (re.error, RecursionError, OverflowError) as problem:
        raise PatternProblem(f"'{pattern[:200]}' is not a 'regex' that the fake provider reads: {problem}") from None


class Pattern:
    """One expression, searched for anywhere in a text, as JSON Schema does."""

    def __init__(self, pattern: str) -> None:
        self._compiled = re.compile(pattern)
        # For each state: where it leads without a character, at the beginning only, at the end only; and the
        # characters that it takes: a test, examples, and the next state.
        self._free: list[list[int]] = []
        self._begin: list[list[int]] = []
        self._end: list[list[int]] = []
        self._taking: list[list[tuple[CharacterTest, str, int]]] = []
        self._exact, self._repeats, self._nested = self._compiled.flags == re.UNICODE, 0, False
        self._start = self._state()
        self._last = self._sequence(_parser.parse(pattern), self._start)
        for state in (self._start, self._last):  # what is around the text that is found
            self._taking[state].append((lambda _: True, "a0A", state))

    def texts(self, low: int = 0, high: int | None = None) -> Iterator[str]:
        """Texts of `low` to `high` characters that the expression finds, the shortest first; some, not all."""
        if low > _MAX_LENGTH:
            raise PatternProblem(f"the fake provider makes no text of {low} characters for a pattern")
        often = 8 if low < 100 else 1
        visits: Counter[tuple[int, int, bool]] = Counter()
        left, given = deque([(self._start, "", False)]), set()
        for _ in range(_MAX_STEPS):
            if not left:
                return
            state, text, ended = left.popleft()
            visit = (state, min(len(text), low), ended)
            if visits[visit] >= often:
                continue
            visits[visit] += 1
            if state == self._last and len(text) >= low and text not in given and self.matches(text):
                given.add(text)
                yield text
            left.extendleft((to, text, True) for to in reversed(self._end[state]))
            if not text:
                left.extendleft((to, text, ended) for to in reversed(self._begin[state]))
            left.extendleft((to, text, ended) for to in reversed(self._free[state]))
            if not ended and (high is None or len(text) < high):
                left.extend((to, text + one, False) for _, examples, to in self._taking[state] for one in examples)

    def matches(self, text: str) -> bool:
        """Whether the expression is found in the text. PatternProblem where that could take too long."""
        if not self._exact:
            if len(text) > (_LOOKED_AT_NESTED if self._nested else _LOOKED_AT):
                raise PatternProblem("a text is too long for a pattern with look-arounds")
            return self._compiled.search(text) is not None
        states = self._reached({self._start}, True, not text)
        for index, one in enumerate(text):
            taken = {to for state in states for test, _, to in self._taking[state] if test(one)}
            states = self._reached(taken, False, index + 1 == len(text))
        return self._last in states

    def _reached(self, states: set[int], begins: bool, ends: bool) -> set[int]:
        left, reached = list(states), set(states)
        while left:
            state = left.pop()
            ways = self._free[state] + (self._begin[state] if begins else []) + (self._end[state] if ends else [])
            left += [to for to in ways if to not in reached]
            reached.update(ways)
        return reached

    def _state(self) -> int:
        if len(self._free) >= _MAX_STATES:
            raise PatternProblem("the pattern is too large for the fake provider")
        for ways in (self._free, self._begin, self._end, self._taking):
            ways.append([])
        return len(self._free) - 1

    def _sequence(self, items: Any, state: int) -> int:
        """Add the parts after a state; the state after them."""
        for operation, argument in items:
            state = self._part(operation, argument, state)
        return state

    def _part(self, operation: Any, argument: Any, state: int) -> int:
        if operation is ops.SUBPATTERN:
            return self._sequence(argument[3], state)
        if operation is ops.ATOMIC_GROUP:
            self._exact = False
            return self._sequence(argument, state)
        if operation in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            self._exact &= operation is not ops.POSSESSIVE_REPEAT
            least, most, items = argument
            return self._repeat(least, most, items, state)
        if operation in (ops.ASSERT, ops.ASSERT_NOT):
            self._exact = False
            self._sequence(argument[1], self._state())  # leads nowhere: only to see how its repeats are nested
            return state
        after = self._state()
        if operation is ops.BRANCH:
            self._nested |= self._repeats > 0
            for branch in argument[1]:
                begun = self._state()
                self._free[state].append(begun)
                self._free[self._sequence(branch, begun)].append(after)
        elif operation is ops.AT:
            self._exact &= argument in (*_BEGINS, *_ENDS)
            ways = self._begin if argument in _BEGINS else self._end if argument in _ENDS else self._free
            ways[state].append(after)
        else:
            test, wanted = _characters(operation, argument)
            found = [one for one in dict.fromkeys(_LIKED + wanted) if test(one)]
            self._taking[state].append((test, "".join(found[:_SAMPLES]), after))
        return after

    def _repeat(self, least: int, most: Any, items: Any, state: int) -> int:
        endless = most is ops.MAXREPEAT
        self._nested |= endless and self._repeats > 0
        self._repeats += most > 1
        for _ in range(least):
            state = self._sequence(items, state)
        after = self._state()
        self._free[state].append(after)
        if endless:
            begun = self._state()
            self._free[after].append(begun)
            self._free[self._sequence(items, begun)].append(after)
        for _ in range(0 if endless else most - least):
            state = self._sequence(items, state)
            self._free[state].append(after)
        self._repeats -= most > 1
        return after


def _characters(operation: Any, argument: Any) -> tuple[CharacterTest, str]:
    """A test for a part that takes one character, and characters that the expression itself names."""
    if operation is ops.ANY:
        return lambda one: one not in "\n\r\u2028\u2029", ""
    if operation is ops.LITERAL:
        return lambda one: ord(one) == argument, chr(argument)
    if operation is ops.NOT_LITERAL:
        return lambda one: ord(one) != argument, ""
    if operation is ops.CATEGORY:
        return _CATEGORIES[argument], ""
    if operation is ops.RANGE:
        low, high = argument
        return lambda one: low <= ord(one) <= high, chr(low)
    if operation is ops.IN:
        parts = [_characters(*part) for part in argument if part[0] is not ops.NEGATE]
        negated, tests = len(parts) < len(argument), [test for test, _ in parts]
        return lambda one: any(test(one) for test in tests) != negated, "".join(named for _, named in parts)
    raise PatternProblem(f"the fake provider does not read {str(operation).lower()} in patterns")
