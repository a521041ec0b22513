"""Multi-valued decision diagrams: a function of many closed enumerations, once for all values.

A `Branch` asks one variable and has a child for each of its words; a `Leaf` holds what the function
gives. Diagrams of one `Maker` are reduced and shared: two functions are equal exactly if they are
the same object, and a variable is asked exactly where the function depends on it. So proofs,
differences and counts are walks. Knows nothing of policies; bounded by `MAX_STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Generic, NamedTuple, TypeVar

from whoisgate.errors import PolicyError

Word = str | None
"""A value of a variable; None is unknown."""

Words = frozenset[Word]
Domains = Mapping[str, tuple[Word, ...]]
"""Variables in the order in which diagrams ask them, and the words of each."""

Box = Mapping[str, Words]
"""The words that variables may have; one that is not named may have any."""

MAX_STEPS: Final = 60_000
MAX_VARIABLES: Final = 200
_MACHINE_WORD: Final = 64
_WALKED: Final = 8
"""How many nodes are walked in the time in which one is built."""

T = TypeVar("T", bound=Hashable)
U = TypeVar("U", bound=Hashable)


class TooManyCases(PolicyError):
    """The diagrams take more steps than they may; nothing is proved."""

    code = "WG215"


@dataclass(frozen=True, slots=True, eq=False)
class Leaf(Generic[T]):
    """What a function gives."""

    value: T


@dataclass(frozen=True, slots=True, eq=False)
class Branch(Generic[T]):
    """One variable, and what the function is for each word of it."""

    variable: str
    children: Mapping[Word, Leaf[T] | Branch[T]]


Diagram = Leaf[T] | Branch[T]


@dataclass(frozen=True, slots=True)
class Condition:
    """Within ``when`` and not within ``unless``; an empty ``unless`` excepts nothing."""

    when: Box
    unless: Box


def value(diagram: Diagram[T], words: Mapping[str, Word]) -> T:
    """What the function gives; ``words`` has every variable that is asked."""
    while isinstance(diagram, Branch):
        diagram = diagram.children[words[diagram.variable]]
    return diagram.value


def under(diagram: Diagram[T], words: Mapping[str, Word]) -> Diagram[T]:
    """The function once the variables that it asks first have these words."""
    while isinstance(diagram, Branch) and diagram.variable in words:
        diagram = diagram.children[words[diagram.variable]]
    return diagram


class Budget:
    """Counts steps; raises `TooManyCases` at the bound."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = self._steps = steps

    def spend(self, steps: int = 1) -> None:
        """So many more steps, each of them some microseconds of work."""
        self._left -= steps
        if self._left < 0:
            raise TooManyCases(f"expected a policy of at most `{self._steps}` cases")


class Maker(Generic[T]):
    """Makes the diagrams of one kind of value: equal ones are one object."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._leaves: dict[T, Leaf[T]] = {}
        self._branches: dict[tuple[object, ...], Branch[T]] = {}

    def leaf(self, held: T) -> Leaf[T]:
        """The function that always gives ``held``."""
        return self._leaves.setdefault(held, Leaf(held))

    def branch(self, variable: str, children: Mapping[Word, Diagram[T]]) -> Diagram[T]:
        """The function that asks ``variable`` first, if it matters."""
        first = next(iter(children.values()))
        if all(child is first for child in children.values()):
            return first
        key = (variable, *children, *map(id, children.values()))
        known = self._branches.get(key)
        if known is None:
            self.budget.spend()
            known = self._branches[key] = Branch(variable, children)
        return known


class _State(NamedTuple):
    """Conditions as bits: held unless the exception is; held if the rest is; surely held."""

    excepted: int
    waiting: int
    sure: int


@dataclass(slots=True)
class _Place:
    """What one variable means to the conditions, as bits."""

    variable: str
    in_when: int = 0
    in_unless: int = 0
    last_in_unless: int = 0
    when_done: int = 0
    fails_when: dict[Word, int] = field(default_factory=dict)
    fails_unless: dict[Word, int] = field(default_factory=dict)


class Builder(Generic[T]):
    """Builds the diagram of ``leaf(which conditions hold)``.

    ``beats`` gives, for the first conditions, those that no longer matter once one of them surely
    holds, as bits.
    """

    def __init__(
        self,
        domains: Domains,
        conditions: Sequence[Condition],
        leaf: Callable[[tuple[int, ...]], T],
        maker: Maker[T],
        beats: Sequence[int] = (),
    ) -> None:
        if len(domains) > MAX_VARIABLES:
            raise TooManyCases(f"expected at most `{MAX_VARIABLES}` attributes and switches")
        self._conditions, self._leaf, self._maker, self._beats = conditions, leaf, maker, beats
        self._places = _places(domains, conditions)
        self._width = 1 + len(conditions) // _MACHINE_WORD
        self._known: dict[tuple[int, _State], Diagram[T]] = {}
        self._leaves: dict[int, Diagram[T]] = {}

    def diagram(self) -> Diagram[T]:
        """The whole function."""
        excepted = _bits(i for i, c in enumerate(self._conditions) if c.unless)
        waiting = _bits(i for i, c in enumerate(self._conditions) if c.when and not c.unless)
        sure = _bits(i for i, c in enumerate(self._conditions) if not c.when and not c.unless)
        return self._build(0, self._settled(excepted, waiting, 0, sure))

    def _build(self, start: int, state: _State) -> Diagram[T]:
        excepted, alive = state.excepted, state.excepted | state.waiting
        number = start
        for place in self._places[start:]:
            if place.in_when & alive or place.in_unless & excepted:
                break
            number += 1
        else:
            return self._end(state.sure)
        key = (number, state)
        known = self._known.get(key)
        if known is None:
            self._maker.budget.spend(self._width)
            # Words that end the same conditions of those that still matter lead to the same.
            alike: dict[tuple[int, int], Diagram[T]] = {}
            children: dict[Word, Diagram[T]] = {}
            for word, fails in place.fails_when.items():
                ended = fails & alive, place.fails_unless[word] & excepted
                child = alike.get(ended)
                if child is None:
                    child = self._build(number + 1, self._next(state, place, word))
                    alike[ended] = child
                children[word] = child
            known = self._known[key] = self._maker.branch(place.variable, children)
        return known

    def _end(self, sure: int) -> Diagram[T]:
        known = self._leaves.get(sure)
        if known is None:
            self._maker.budget.spend(1 + sure.bit_count())
            known = self._leaves[sure] = self._maker.leaf(self._leaf(tuple(_numbers(sure))))
        return known

    def _next(self, state: _State, place: _Place, word: Word) -> _State:
        alive = ~place.fails_when[word]
        excepted, waiting = state.excepted & alive, state.waiting & alive
        freed = excepted & place.fails_unless[word]
        excepted &= ~(freed | place.last_in_unless)
        waiting |= freed
        done = waiting & place.when_done
        return self._settled(excepted, waiting & ~done, state.sure, done)

    def _settled(self, excepted: int, waiting: int, sure: int, done: int) -> _State:
        """The state once the conditions ``done`` surely hold as well."""
        sure |= done
        if self._beats and done:
            beaten = _union(self._beats[i] for i in _numbers(done) if i < len(self._beats))
            excepted, waiting, sure = excepted & ~beaten, waiting & ~beaten, sure & ~beaten
        return _State(excepted, waiting, sure)


def _places(domains: Domains, conditions: Sequence[Condition]) -> list[_Place]:
    """Every variable's place, in order."""
    places = {
        v: _Place(v, fails_when=dict.fromkeys(words, 0), fails_unless=dict.fromkeys(words, 0))
        for v, words in domains.items()
    }
    for i, condition in enumerate(conditions):
        bit = 1 << i
        for variable, inside in condition.when.items():
            place = places[variable]
            place.in_when |= bit
            for word in place.fails_when.keys() - inside:
                place.fails_when[word] |= bit
        for variable, inside in condition.unless.items():
            place = places[variable]
            place.in_unless |= bit
            for word in place.fails_unless.keys() - inside:
                place.fails_unless[word] |= bit
    in_when = in_unless = 0
    for place in reversed(places.values()):
        place.last_in_unless = place.in_unless & ~in_unless
        place.when_done = ~in_when
        in_when |= place.in_when
        in_unless |= place.in_unless
    return [*places.values()]


def _numbers(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _bits(numbers: Iterable[int]) -> int:
    return _union(1 << i for i in numbers)


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def met(pair: Sequence[Condition], box: Box) -> bool:
    """Whether two conditions hold together somewhere in ``box``, which names every variable."""
    left = dict(box)
    for condition in pair:
        for variable, inside in condition.when.items():
            left[variable] &= inside
    if not all(left.values()):
        return False
    # A way out of an exception: a variable, and the words with which the exception fails.
    ways = [
        [(v, rest) for v, inside in c.unless.items() if (rest := left[v] - inside)]
        for c in pair
        if c.unless
    ]
    return any(
        len({v for v, _ in chosen}) == len(chosen)
        or bool(frozenset.intersection(*(rest for _, rest in chosen)))
        for chosen in product(*ways)
    )


def within(domains: Domains, box: Box) -> Domains:
    """The domains without the words outside ``box``."""
    return {
        v: tuple(w for w in words if v not in box or w in box[v]) for v, words in domains.items()
    }


def mapped(
    diagram: Diagram[T], change: Callable[[T], U], maker: Maker[U], box: Box | None = None
) -> Diagram[U]:
    """``change`` of what the function gives, asked within ``box`` alone."""
    known: dict[Diagram[T], Diagram[U]] = {}

    def walk(at: Diagram[T]) -> Diagram[U]:
        made: Diagram[U]
        if isinstance(at, Leaf):
            made = maker.leaf(change(at.value))
        else:
            inside = box.get(at.variable) if box else None
            made = maker.branch(
                at.variable,
                {
                    w: known.get(child) or walk(child)
                    for w, child in at.children.items()
                    if inside is None or w in inside
                },
            )
        known[at] = made
        return made

    return walk(diagram)


def paired(
    one: Diagram[T],
    other: Diagram[U],
    domains: Domains,
    maker: Maker[tuple[T, U]],
) -> Diagram[tuple[T, U]]:
    """What both functions give; both are asked for all words of ``domains``, in its order."""
    order = (*domains, "")
    places = {variable: i for i, variable in enumerate(order)}
    known: dict[tuple[Diagram[T], Diagram[U]], Diagram[tuple[T, U]]] = {}

    def walk(a: Diagram[T], b: Diagram[U]) -> Diagram[tuple[T, U]]:
        found = known.get((a, b))
        if found is not None:
            return found
        maker.budget.spend()
        if isinstance(a, Leaf) and isinstance(b, Leaf):
            found = maker.leaf((a.value, b.value))
        else:
            variable = order[min(places[_first(a)], places[_first(b)])]
            found = maker.branch(
                variable,
                {w: walk(_at(a, variable, w), _at(b, variable, w)) for w in domains[variable]},
            )
        known[a, b] = found
        return found

    return walk(one, other)


def _first(diagram: Diagram[T]) -> str:
    return diagram.variable if isinstance(diagram, Branch) else ""


def _at(diagram: Diagram[T], variable: str, word: Word) -> Diagram[T]:
    if isinstance(diagram, Branch) and diagram.variable == variable:
        return diagram.children[word]
    return diagram


def find(
    diagram: Diagram[T], wanted: Callable[[T], bool], box: Box | None = None
) -> tuple[dict[str, Word], T] | None:
    """Words within ``box`` for which the function gives something ``wanted``, and what; or None.

    The first words of a domain are tried first; a variable whose words all give something wanted,
    beside the others', has none.
    """
    lost: set[Diagram[T]] = set()

    def walk(at: Diagram[T]) -> tuple[dict[str, Word], T] | None:
        if at in lost:
            return None
        if isinstance(at, Leaf):
            if wanted(at.value):
                return {}, at.value
        else:
            inside = box.get(at.variable) if box else None
            for word, child in at.children.items():
                if (inside is None or word in inside) and (found := walk(child)):
                    return {at.variable: word, **found[0]}, found[1]
        lost.add(at)
        return None

    found = walk(diagram)
    if found is None:
        return None
    words, given = found
    for variable in reversed(list(words)):
        fewer = {v: w for v, w in words.items() if v != variable}
        fixed = {**(box or {}), **{v: frozenset({w}) for v, w in fewer.items()}}
        if all(wanted(at.value) for at in _parts(diagram, fixed) if isinstance(at, Leaf)):
            words = fewer
    return words, given


def walked(diagram: Diagram[T]) -> int:
    """What one walk over the whole diagram costs, in steps."""
    return 1 + sum(1 for _ in _parts(diagram)) // _WALKED


def values(diagram: Diagram[T], box: Box | None = None) -> Iterator[T]:
    """Everything that the function can give within ``box``, each once."""
    for at in _parts(diagram, box):
        if isinstance(at, Leaf):
            yield at.value


def asked(diagram: Diagram[T]) -> frozenset[str]:
    """The variables on which the function depends."""
    return frozenset(at.variable for at in _parts(diagram) if isinstance(at, Branch))


def count(
    diagram: Diagram[T],
    wanted: Callable[[T], bool],
    domains: Domains,
    box: Box,
    *,
    at_most: frozenset[str] = frozenset(),
) -> int:
    """For how many points of ``box`` the function gives something ``wanted``.

    Over the variables ``at_most``, the largest number for one word is taken, not the sum.
    """
    order = tuple(domains)
    places = {variable: i for i, variable in enumerate(order)}
    sizes = [1 if v in at_most else len(words) for v, words in within(domains, box).items()]
    known: dict[Diagram[T], int] = {}

    def place(at: Diagram[T]) -> int:
        return places[at.variable] if isinstance(at, Branch) else len(order)

    def below(at: Diagram[T], start: int) -> int:
        number = walk(at)
        for size in sizes[start : place(at)]:
            number *= size
        return number

    def walk(at: Diagram[T]) -> int:
        if at not in known:
            if isinstance(at, Leaf):
                known[at] = int(wanted(at.value))
            else:
                inside, start = box.get(at.variable), place(at) + 1
                numbers = [
                    below(child, start)
                    for w, child in at.children.items()
                    if inside is None or w in inside
                ]
                known[at] = max(numbers) if at.variable in at_most else sum(numbers)
        return known[at]

    return below(diagram, 0)


def _parts(diagram: Diagram[T], box: Box | None = None) -> Iterator[Diagram[T]]:
    seen, left = {diagram}, [diagram]
    while left:
        at = left.pop()
        yield at
        if isinstance(at, Branch):
            inside = box.get(at.variable) if box else None
            new = {c: None for w, c in at.children.items() if inside is None or w in inside}
            left += [child for child in new if child not in seen]
            seen.update(new)
