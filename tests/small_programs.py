"""Small random programs for the explorer: a few threads over two or three bits and a lock, with planted bugs.

A program is nested tuples, made by a seed; a thread is a generator that walks them and learns through `yield`
alone.
"""
import random
from functools import partial

from kitlib.concurrency.automaton import Chain
from kitlib.concurrency.sched import Scenario
from kitlib.step import KernelBug, NotLocked, atomic


class Bits:
    """A memory of a few bits and a lock without an owner."""

    def __init__(self, size):
        self.bits, self.locked = [False] * size, False

    def snapshot(self):
        return (*self.bits, self.locked)

    def restore(self, snapshot):
        self.bits[:], self.locked = snapshot[:-1], snapshot[-1]


class Planted(KernelBug):
    bug = "planted"


@atomic
def read(memory: Bits, at: int) -> bool:
    return memory.bits[at]


@atomic
def write(memory: Bits, at: int, value: bool) -> None:
    memory.bits[at] = value


@atomic(when=lambda memory: not memory.locked)
def lock(memory: Bits) -> None:
    memory.locked = True


@atomic
def trylock(memory: Bits) -> bool:
    taken = not memory.locked
    memory.locked = True
    return taken


@atomic
def unlock(memory: Bits) -> None:
    if not memory.locked:
        raise NotLocked("unlocked, and nobody holds the lock")
    memory.locked = False


@atomic
def claim(memory: Bits, at: int) -> None:
    if not memory.bits[at]:
        raise Planted(f"bit {at} is not set")


def walk(memory, block, heard=False):
    """Do the statements of a block. The last value read is what `if` and `copy` use and what is returned."""
    for word, *what in block:
        if word == "read":
            heard = yield read(memory, *what)
        elif word == "copy":
            yield write(memory, what[0], heard ^ what[1])
        elif word == "write":
            yield write(memory, *what)
        elif word == "trylock":
            if (yield trylock(memory)):
                heard = yield from walk(memory, what[0], heard)
                yield unlock(memory)
        elif word == "if":
            heard = yield from walk(memory, what[not heard], heard)
        else:
            yield {"lock": lock, "unlock": unlock, "claim": claim}[word](memory, *what)
    return heard


def block_of(dice, size, steps):
    """At most `steps` statements in a row, nested ones included."""
    block = []
    while steps > 0:
        word = dice.choice(["read"] * 3 + ["write"] * 3
                           + ["copy", "if", "trylock", "locked", "locked", "claim", "unlock", "lock"])
        inner = min(steps - 1, dice.randint(1, 3))
        if word == "locked" and steps >= 3:
            inner = min(steps - 2, inner)
            block += [("lock",), *block_of(dice, size, inner), ("unlock",)]
            steps -= inner + 2
            continue
        if word == "if":
            block.append(("if", block_of(dice, size, inner), block_of(dice, size, inner - 1)))
            steps -= inner
        elif word == "trylock" and steps >= 2:
            inner = min(steps - 2, inner)
            block.append(("trylock", block_of(dice, size, inner)))
            steps -= inner + 2
        elif word in ("claim", "unlock", "lock") and dice.random() < 0.7:
            continue
        elif word in ("read", "write", "copy", "claim"):
            at = dice.randrange(size)
            value = [dice.random() < 0.5] if word in ("write", "copy") else []
            block.append((word, at, *value))
            steps -= 1
        elif word in ("lock", "unlock"):
            block.append((word,))
            steps -= 1
    return tuple(block)


def program(seed, most=7):
    """A scenario of two or three threads with about `most` steps, some of them in parts."""
    dice = random.Random(seed)
    memory, threads = Bits(dice.choice((2, 3))), dice.choice((2, 2, 2, 3))
    paths = {}
    for name in "abc"[:threads]:
        blocks = [block_of(dice, len(memory.bits), dice.randint(1, most // threads))
                  for _ in range(dice.choice((1, 1, 2)))]
        start, *then = [partial(walk, memory, block) for block in blocks]
        paths[name] = Chain(start, *then) if then else start
    return Scenario(f"small program {seed}", memory, paths)
