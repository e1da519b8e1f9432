"""Steps: what is asked for is not yet done, and misuse is loud."""
import pytest

import kitlib as kl
from kitlib.kernels.labels import isolate_fail_put
from kitlib.mm.folio import folio_put, folio_test_dirty, folio_trylock, folio_unlock
from kitlib.step import Deadlock


@pytest.fixture
def folio():
    return kl.one_folio("file, dirty")


def test_a_step_does_nothing_until_it_is_done(folio):
    step = folio_trylock(folio)
    assert not folio.locked
    assert step.do() is True
    assert folio.locked


def test_a_step_says_what_it_is(folio):
    step = folio_test_dirty(folio)
    assert (step.name, step.on, repr(step)) == ("folio_test_dirty", "folio 0", "folio_test_dirty(folio 0)")


def test_a_step_is_not_a_value(folio):
    def path():
        if folio_trylock(folio):
            yield folio_unlock(folio)

    with pytest.raises(TypeError, match=r"a step is not a value: write `yield folio_trylock\(\.\.\.\)`"):
        kl.run_path(path())


def test_a_step_that_is_never_yielded_is_noticed_as_it_runs(folio):
    def path():
        folio_unlock(folio)
        yield folio_put(folio)

    with pytest.raises(TypeError, match=r"made and never done, just before folio_put\(\): write `yield`"):
        kl.run_path(path())
    assert folio.refcount == 1


@pytest.mark.parametrize("line, says", [
    ("folio_put(folio)", r"made and never done, at the end of path\(\): write `yield`"),
    ("return folio_put(folio)", r"a step was returned: write `return \(yield folio_put\(\.\.\.\)\)`"),
    ("return isolate_fail_put(folio, 'x')", r"write `return \(yield from isolate_fail_put\(\.\.\.\)\)`")])
def test_a_yield_forgotten_in_the_last_line_is_noticed(folio, line, says):
    names = {}
    exec(f"def path(folio):\n    yield folio_test_dirty(folio)\n    {line}\n", globals(), names)
    with pytest.raises(TypeError, match=says):
        kl.run_path(names["path"](folio))


@pytest.mark.parametrize("kernel", [kl.before, kl.racy, kl.after])
@pytest.mark.parametrize("mode", ["sync", None, 12, (False, True, True)])
def test_an_unknown_mode_is_refused_before_anything_is_done(folio, kernel, mode):
    begin = folio.zone.snapshot()
    with pytest.raises(TypeError, match=r"write kl\.Mode"):
        kl.run_path(kernel.isolate_folio(folio, mode))
    assert folio.zone.snapshot() == begin


def test_a_sub_path_wants_yield_from(folio):
    def path():
        yield isolate_fail_put(folio, "no")

    with pytest.raises(TypeError, match=r"write `yield from isolate_fail_put\(\.\.\.\)`"):
        kl.run_path(path())


@pytest.mark.parametrize("wrong", [kl.after.isolate_folio, kl.Verdict("isolate_success"), None, [1]])
def test_what_is_no_path_is_refused_with_the_line_to_write(wrong):
    with pytest.raises(TypeError, match=r"as in run_path\(isolate_folio\(folio, mode\)\)"):
        kl.run_path(wrong)


def test_a_path_that_forgets_every_yield_is_refused(folio):
    def path():
        return folio_test_dirty(folio)

    with pytest.raises(TypeError, match="write `yield` before each step"):
        kl.run_path(path())


def test_a_path_yields_steps_alone(folio):
    def path():
        yield folio.dirty

    with pytest.raises(TypeError, match="a path yields steps, not True"):
        kl.run_path(path())


def test_an_endless_path_is_ended(folio):
    def path():
        while True:
            yield folio_test_dirty(folio)

    with pytest.raises(RuntimeError, match="path did not end within 500 steps"):
        kl.run_path(path(), limit=500)


def test_a_path_that_sleeps_alone_is_a_deadlock(folio):
    @kl.atomic(when=lambda folio: not folio.locked)
    def folio_lock(folio) -> None:
        folio.locked = True

    def path():
        yield folio_lock(folio)
        yield folio_lock(folio)

    with pytest.raises(Deadlock, match="nobody else runs who could wake it"):
        kl.run_path(path())


def test_the_learners_own_error_is_not_a_kernel_bug(folio):
    def path():
        yield folio_test_dirty(folio)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kl.run_path(path())
