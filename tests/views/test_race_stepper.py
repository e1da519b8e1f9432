"""Path stepper and race stepper without a browser: a click is a step, the proof is prove()'s."""
import random
import re
from pathlib import Path
from types import ModuleType

import ipywidgets
import pytest
from front_end import click, send

import kitlib as kl
from kitlib import check, frames, races
from kitlib.concurrency.automaton import RepeatUntil
from kitlib.concurrency.explore import FATES, prove
from kitlib.concurrency.sched import Machine, Scenario, ScheduleError, Stepper, letters
from kitlib.kernels.labels import isolate_fail_put, isolate_success
from kitlib.mm.folio import folio_mapping, folio_put, folio_test_clear_lru, folio_trylock, folio_unlock
from kitlib.mm.mapping import mapping_unmovable
from kitlib.widgets import PathStepper, RaceStepper, proof_words, race_stepper
from kitlib.widgets.guard import Guard
from kitlib.widgets.objects import deadlock, held_pointers
from kitlib.widgets.source import place, source

CSS = Path(race_stepper.__file__).with_name("kit.css").read_text()
KERNELS = (kl.before, kl.racy, kl.after, kl.cached, kl.after_unlock, kl.no_null_check, kl.blocking)
NAMES = [kernel.__name__.rpartition(".")[2] for kernel in KERNELS]
SETTINGS = ["kernel", "folios", "compactors", "truncators", "reclaimers", "mlockers", "truncate",
            "evict_cycles", "migrate", "reuse"]
SCHEDULES = ["", "C3T21C1", "C3", "T4 C2", "T", "CTCTCT", "C99", "X3", "c1", "C3T", "12", "<b>", "R1C1",
             "Ca2T1"]
WAYS = [send, lambda control, value: setattr(control, "value", value)]         # by message, by trait


def text_of(html):
    """What a reader reads of an HTML value."""
    return re.sub(r"<[^>]*>", "", html)


def hidden(widget):
    return widget.layout.display == "none"


def replayed(view, fresh):
    """`fresh`, brought to the state of `view`."""
    state = view.state
    fresh.replay(state["schedule"])
    fresh.jump(state["t"])
    return fresh


def buttons(view):
    """Every button that can be clicked now."""
    there = [view.time.first, view.time.back, view.time.step, view.time.last]
    if isinstance(view, RaceStepper):
        there += [view.settings.undo_button, view.verdict_button]
        for column in view.columns[:len(view.machine.paths)]:
            there += [column.step_button, column.run_button]
        there.append(view.play_button)
    return [one for one in there if not (one.disabled or hidden(one))]


def random_event(view, dice):
    """Any button that can be clicked, the slider, the text box, or a setting that is quick to prove."""
    what = dice.choice(["button"] * 5 + ["slider", "text", "setting"])
    if what == "button" or (isinstance(view, PathStepper) and what != "slider"):
        dice.choice([click, ipywidgets.Button.click])(dice.choice(buttons(view)))
    elif what == "slider":
        dice.choice(WAYS)(view.time.slider, dice.randint(0, view.time.slider.max))
    elif what == "text":
        send(view.schedule, dice.choice(SCHEDULES))
    else:
        name = dice.choice(["kernel", "truncate", "evict_cycles", "migrate", "reuse", "compactors"])
        value = dice.choice([value for value in view.settings.legal[name] if value != 2])
        dice.choice(WAYS)(view.settings.controls[name], value)


def broken_kernel(path):
    """A learner's kernel, with this decision."""
    kernel = ModuleType("mine")
    kernel.isolate_folio, kernel.move_to_new_folio = path, kl.after.move_to_new_folio
    return kernel


def forgets_to_end(folio, mode):
    yield folio_mapping(folio)
    yield folio_mapping(folio)
    raise ZeroDivisionError("<b>mine</b>")


def drops_a_reference(folio, mode):
    yield folio_put(folio)
    return kl.Verdict("isolate_fail", "<i>never</i>")


# One path.

@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
@pytest.mark.parametrize("kind", ["guest_memfd", "anon", "file, dirty", "guest_memfd, locked", "free"])
def test_stepping_a_path_does_what_running_it_does(kernel, kind):
    if kernel is kl.blocking and "locked" in kind:
        pytest.skip("it sleeps for ever")
    mode = kl.Mode(async_migrate=True)
    view = PathStepper(kernel=kernel, kind=kind, mode=mode)
    assert view.stepper.t == 0 and view.time.slider.max == len(view.stepper.schedule) > 0
    while not view.time.step.disabled:
        click(view.time.step)
    folio = kl.one_folio(kind)
    alone = kl.run(Machine(folio.zone, {"compaction": lambda: kernel.isolate_folio(folio, mode)}))
    assert str(view.machine.trace) == str(alone.trace) and view.machine.results == alone.results
    assert view.events.value.count("<tr>") == len(alone.trace) + 1
    assert alone.results["compaction"].label in view.source.value
    assert alone.results["compaction"].why in view.source.value


def test_the_marked_line_holds_the_step_that_comes_next():
    view, seen = PathStepper(kind="file, dirty", mode=kl.Mode(async_migrate=True)), 0
    while view.machine.next:
        step, at = view.machine.next["compaction"], place(view.machine.paths["compaction"])
        assert f"yield {step.name}(" in at.text
        marked = re.findall(r"<tr class='kit-next'>(.*?)</tr>", view.source.value)
        assert len(marked) == 1 and step.name in text_of(marked[0]) and "&gt;" in marked[0]
        seen += 1
        view.step()
    assert seen > 8 and "kit-next" not in view.source.value


def test_the_place_is_in_the_innermost_function_and_says_who_called_it():
    view = PathStepper(kind="anon, pinned")
    view.step(), view.step(), view.step(), view.step()
    at = place(view.machine.paths["compaction"])
    assert at.function == "isolate_fail_put()" and at.text == "yield folio_put(folio)"
    assert len(at.callers) == 1 and at.callers[0].startswith("isolate_folio() line ")
    assert "no mapping, extra references" in text_of(view.source.value)


def test_the_place_is_found_through_paths_that_are_driven_by_hand():
    view = PathStepper(races.opposite_orders(kl.blocking))
    assert place(view.machine.paths["compaction"]).function == "isolate_folio()"
    assert not any("_kept" in caller for caller in place(view.machine.paths["compaction"]).callers)


def test_lines_are_numbered_within_their_function():
    for kernel in KERNELS:
        lines = source(kernel.isolate_folio.__code__)
        assert lines[0].startswith("def isolate_folio(") and lines[-1].strip() == "return isolate_success()"


def test_source_that_nobody_kept_is_said_to_be_unknown():
    made = {"folio_mapping": folio_mapping}
    exec("def path(folio):\n    yield folio_mapping(folio)", made)
    folio = kl.one_folio("anon")
    view = PathStepper(lambda: made["path"](folio))
    assert "The source of path() is not known" in text_of(view.source.value)
    assert "error" not in view.describe()


def test_in_a_large_zone_the_folios_that_the_path_steps_on_are_shown():
    folio = kl.random_zone(5000).folio(4321)
    folio.lru = folio.refcount = True
    view = PathStepper(lambda: kl.after.isolate_folio(folio, kl.Mode()))
    assert "folio 4321: " in view.describe() and "folio 0:" not in view.describe()
    view.last()
    assert "folio 4321" in view.objects.value


@pytest.mark.parametrize("made", [
    lambda folio: (lambda: kl.after.isolate_folio(folio, kl.Mode())),
    lambda folio: Machine(folio.zone, {"path": lambda: kl.after.isolate_folio(folio, kl.Mode())}),
    lambda folio: Scenario("mine", folio.zone, {"path": lambda: kl.after.isolate_folio(folio, kl.Mode())})])
def test_a_path_comes_as_its_start_as_a_machine_or_as_a_scenario(made):
    view = PathStepper(made(kl.one_folio("ramfs")))
    view.last()
    alone = kl.run_path(kl.after.isolate_folio(kl.one_folio("ramfs"), kl.Mode()))
    assert view.machine.results["path"] == alone


@pytest.mark.parametrize("wrong, says", [
    (lambda folio: kl.after.isolate_folio(folio, kl.Mode()), "write PathStepper\\(lambda: "),
    (lambda folio: 7, "write PathStepper\\(lambda: "),
    (lambda folio: (lambda: folio), "a path is a generator"),
    (lambda folio: (lambda: (one for one in ())), "was given no folio: write")])
def test_what_is_no_path_is_refused_with_the_line_to_write(wrong, says):
    with pytest.raises(TypeError, match=says):
        PathStepper(wrong(kl.one_folio("anon")))


def test_a_paths_own_error_is_in_the_strip_and_the_position_stays(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    view = PathStepper(kernel=broken_kernel(forgets_to_end))
    view.last()
    assert view.stepper.t == 1
    click(view.time.step)
    assert "ZeroDivisionError: &lt;b&gt;mine" in view.guard.strip.value and view.stepper.t == 1
    click(view.time.back)
    assert view.stepper.t == 0 and view.guard.strip.value == ""
    view.guard.errors.clear()


def test_a_crash_is_a_position_and_shown_in_words():
    view = PathStepper(races.truncation_race(kl.racy))
    view.replay("C3T21C1")
    assert "CRASH. Step 25, compaction: mapping_unmovable(A)" in text_of(view.status.value)
    assert "kit-bad" in view.status.value
    assert "use after free" in text_of(view.events.value) and view.time.step.disabled
    view.back()
    assert view.machine.crash is None and "kit-crash" not in view.source.value


# The race.

@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
@pytest.mark.parametrize("arguments", [
    {}, {"truncate": "unlock_early"}, {"compactors": 0, "reclaimers": 1, "evict_cycles": "tree_lock"},
    {"migrate": True, "reuse": True}, {"dirty": False, "mode": kl.Mode()}], ids=str)
def test_the_verdict_bar_is_that_of_prove(kernel, arguments):
    view = RaceStepper(kernel, verdict=True, **arguments)
    proof = prove(kl.truncation_race(kernel, **arguments))
    said = text_of(view.verdict.value)
    assert proof.scenario.name in said.replace("&#x27;", "'")
    if proof.safe:
        assert said.startswith(f"SAFE: all {proof.schedules:,} schedules")
        assert view.play_button.layout.display == "none"
    else:
        assert said.startswith("UNSAFE: ") and proof.bug in said and f"shortest {proof.shortest}" in said
        assert f"in {proof.failing_schedules:,} of {proof.schedules:,} schedules (" in said
        click(view.play_button)
        assert view.machine.crash.result.bug == proof.bug and view.stepper.text == proof.shortest


def test_a_race_that_is_to_be_broken_keeps_its_verdict_to_itself():
    race = RaceStepper(kl.racy, verdict=False)
    race.set(kernel="cached")
    shown = race.describe() + race.verdict.value
    assert "UNSAFE" not in shown and race.proof.shortest not in shown
    assert hidden(race.play_button) and hidden(race.verdict_button) and hidden(race.verdict_row)
    assert race.box.picture() is None
    with pytest.raises(ValueError, match="write RaceStepper\\(kernel, verdict=True\\)"):
        race.ask()
    race.guard.errors.clear()
    race.replay("C7T21C2")
    assert "use after free" in race.describe()


def test_a_race_begins_with_two_kernels_and_nothing_else_to_choose():
    view = RaceStepper()
    assert hidden(view.folded) and not hidden(view.settings.undo_button)
    kernels = view.settings.controls["kernel"]
    assert [name for name, _ in kernels.options[:2]] == ["racy", "after"]
    assert "kit-first-2" in kernels._dom_classes and ".kit-first-2 " in CSS and ".kit-first-3 " in CSS
    send(view.more, True)
    assert not hidden(view.folded) and "kit-first-2" not in kernels._dom_classes
    send(view.more, False)
    assert hidden(view.folded) and "kit-first-2" in kernels._dom_classes
    assert not hidden(RaceStepper(more=True).folded)


def test_a_kernel_of_the_learners_stands_beside_the_first_two():
    kernels = RaceStepper(broken_kernel(drops_a_reference)).settings.controls["kernel"]
    assert [name for name, _ in kernels.options[:3]] == ["racy", "after", "mine"]
    assert "kit-first-3" in kernels._dom_classes
    named_before = broken_kernel(drops_a_reference)
    named_before.__name__ = "before"
    assert RaceStepper(named_before).kernels["before"] is named_before


@pytest.mark.parametrize("change", [
    {"kernel": "cached"}, {"truncators": 2}, {"evict_cycles": "i_lock"}, {"migrate": True}], ids=str)
def test_what_is_not_as_usual_is_never_folded_away(change):
    view = RaceStepper()
    view.set(**change)
    assert not hidden(view.folded) and "kit-first-2" not in view.settings.controls["kernel"]._dom_classes
    assert view.more.disabled
    view.undo()
    assert hidden(view.folded) and not view.more.disabled
    if "kernel" not in change:
        assert not hidden(RaceStepper(**change).folded)


def test_the_verdict_is_told_when_it_is_asked_for_and_until_the_race_is_changed():
    view = RaceStepper()
    assert hidden(view.verdict_row) and hidden(view.play_button) and not hidden(view.verdict_button)
    assert "UNSAFE" not in view.describe() + view.verdict.value and view.box.picture() is None
    click(view.verdict_button)
    assert "verdict   UNSAFE: use after free in " in view.describe() and view.box.picture() is not None
    assert not hidden(view.verdict_row) and not hidden(view.play_button) and hidden(view.verdict_button)
    view.step("C")
    assert "verdict   UNSAFE: " in view.describe()
    view.set(kernel="after")
    assert "SAFE" not in view.describe() and hidden(view.verdict_row) and not hidden(view.verdict_button)
    view.ask()
    assert "verdict   SAFE: all " in view.describe() and hidden(view.play_button)


def test_a_verdict_that_is_always_wanted_follows_the_race():
    view = RaceStepper(verdict=True)
    view.set(kernel="after")
    assert "verdict   SAFE: all " in view.describe() and hidden(view.verdict_button)


def not_begun(folio, mode):
    refused, _, _ = yield from check.ex07.up_to_the_lock(folio, mode)
    if refused:
        return refused
    if not (yield folio_test_clear_lru(folio)):
        return (yield from isolate_fail_put(folio, "isolated by somebody else"))
    return isolate_success()


def test_a_decision_that_is_not_begun_is_not_called_safe():
    view = RaceStepper(broken_kernel(not_begun), verdict=True)
    assert view.proof.safe
    assert "verdict   NOT BEGUN: mine takes no folio lock and asks no mapping." in view.describe()
    assert text_of(view.verdict.value).startswith("NOT BEGUN: ") and "kit-warn" in view.verdict.value
    assert "SAFE" not in view.describe() + view.verdict.value
    view.set(kernel="after")
    assert "verdict   SAFE: all " in view.describe()


def test_a_decision_that_does_not_even_begin_as_it_should_is_judged_all_the_same():
    view = RaceStepper(broken_kernel(drops_a_reference), verdict=True)
    assert view.proof.safe is False and "verdict   UNSAFE: " in view.describe()


@pytest.mark.parametrize("kernel", KERNELS, ids=NAMES)
def test_every_kernel_of_the_kit_decides(kernel):
    assert proof_words.decides(kernel)


def test_beyond_the_limit_the_bar_says_loudly_that_nothing_is_proved(monkeypatch):
    monkeypatch.setattr(race_stepper, "_LIMIT", 50)
    view = RaceStepper(kl.after, verdict=True)
    assert text_of(view.verdict.value).startswith("NO PROOF: no bug in the first 5")
    assert "kit-warn" in view.verdict.value
    view.hint_box.value = True
    assert set(view.hints.values()) == {"not known: the limit of states was hit"}
    assert "not known" in view.columns[0].reason.value
    with pytest.raises(ValueError, match="no failing schedule to play: NO PROOF"):
        view.play()
    view.guard.errors.clear()


@pytest.mark.parametrize("bad, words", [
    (False, "SAFE: every schedule (a schedule can go on for ever, so there is no number of them)"),
    (True, "UNSAFE: use after free, shortest T1; a schedule can go on for ever")])
def test_a_race_that_can_go_on_for_ever_has_a_verdict_without_a_number_of_schedules(bad, words):
    folio = kl.one_folio("ramfs")
    mapping = folio.mapping
    folio.locked = True

    def attempt():
        got = yield folio_trylock(folio)
        return got or None

    def holder():
        if bad:
            yield mapping_unmovable(mapping)
        yield folio_unlock(folio)

    mapping.freed = bad
    proof = prove(Scenario("waits for the lock", folio.zone, {"C": RepeatUntil(attempt), "T": holder}))
    assert proof.safe is not bad and proof.schedules is None
    assert proof_words.proof_text(proof) == words


def fate_by_brute_force(scenario, schedule):
    """Whether a schedule can or must fail, from the machine alone."""
    stepper = Stepper(scenario.machine())

    def ends(names):
        stepper.schedule, machine = list(names), stepper.machine
        stepper.jump(len(names))
        if machine.crash or (machine.next and not machine.ready):
            return {True}
        return set().union(*(ends([*names, name]) for name in machine.ready)) if machine.ready else {False}

    fails = ends(schedule)
    return FATES[0] if fails == {False} else FATES[2] if fails == {True} else FATES[1]


@pytest.mark.parametrize("kernel, begin", [
    (kl.racy, "C3T12"), (kl.racy, "C3T14"), (kl.after_unlock, "C11T8"), (kl.no_null_check, "C7T10"),
    (kl.after, "C6T14"), pytest.param(kl.after, "C3T13", marks=pytest.mark.slow)],
    ids=["racy", "racy, later", "after_unlock", "no_null_check", "after", "after, earlier"])
def test_the_hint_light_is_what_a_brute_force_finds(kernel, begin):
    view, dice = RaceStepper(kernel), random.Random(1)
    view.hint_box.value = True
    for _ in range(4):
        view.replay(begin)
        while view.machine.ready:
            done, hints = view.stepper.schedule[:view.stepper.t], view.hints
            assert hints == {name: fate_by_brute_force(kl.truncation_race(kernel), [*done, name])
                             for name in view.machine.ready}
            for column in view.columns[:2]:
                light = f"after Step {letters(view.machine.paths)[column.name]}: {hints.get(column.name)}"
                assert (light in column.reason.value) is (column.name in hints)
            view.step(dice.choice(view.machine.ready))


def test_the_dangling_arrow_appears_when_the_mapping_is_freed_under_a_pointer():
    view = RaceStepper(kl.racy)
    view.replay("C3T20")
    assert held_pointers(view.machine, "compaction") == [("mapping", view.machine.memory.mappings[1])]
    assert "dangling" not in view.objects.value and "compaction's variable mapping -> A" in view.describe()
    view.step("T")
    assert "compaction&#x27;s variable mapping &rarr; A: dangling" in view.objects.value
    assert "kit-freed" in view.objects.value and "FREED at step 24" in view.objects.value
    view.back()
    assert "dangling" not in view.objects.value and "FREED" not in view.objects.value
    view.set(reuse=True)
    view.replay("C3T22")
    assert "another inode&#x27;s since step 25" in view.objects.value and "kit-reused" in view.objects.value


def test_a_thread_that_sleeps_cannot_be_stepped_and_its_column_says_who_holds_the_lock():
    view = RaceStepper(kl.after)
    view.replay("T2C7")
    assert "truncation holds the lock" not in view.columns[0].reason.value
    view.replay("C8T1")
    column = view.columns[1]
    assert column.step_button.disabled and column.run_button.disabled
    words = "truncation: sleeps at folio_lock(folio 0): compaction holds the lock"
    assert text_of(column.reason.value) == words
    assert "locked by compaction" in view.objects.value
    with pytest.raises(kl.KernelBug, match="truncation sleeps at folio_lock"):
        view.step("T")
    assert view.stepper.text == "C8T1"
    view.guard.errors.clear()
    click(view.columns[0].run_button)
    assert view.columns[0].step_button.disabled
    assert "compaction: has ended" in text_of(view.columns[0].reason.value)
    assert not column.step_button.disabled


def test_a_deadlock_is_said_with_who_sleeps_where():
    view = PathStepper(races.opposite_orders(kl.blocking))
    view.replay(prove(races.opposite_orders(kl.blocking)).shortest)
    assert deadlock(view.machine) and "DEADLOCK. " in view.status.value and view.time.step.disabled
    assert "compaction sleeps at folio_lock(folio 1): truncation holds the lock" in view.describe()


def test_the_text_box_shows_the_schedule_and_replays_what_is_written():
    view = RaceStepper()
    send(view.schedule, "C3 T21, C")
    assert view.stepper.text == view.schedule.value == "C3T21C1" and view.machine.crash
    click(view.time.back)
    assert view.schedule.value == "C3T21" and view.time.slider.value == 24 and view.time.slider.max == 25
    assert view.time.step.description == "Step (C)"
    click(view.time.step)
    assert view.machine.crash and view.time.step.description == "Step"
    send(view.time.slider, 3)
    assert view.schedule.value == "C3" and view.state["schedule"] == "C3T21C1"


@pytest.mark.parametrize("wrong, says", [
    ("C99", "has ended"), ("X3", "no thread is called X"), ("<b>", "is no schedule"), ("C" + "9" * 5000, ""),
    ("C8T2", "sleeps at folio_lock"), ("C1 C999999", "too long"), ("Ca1", "no thread is called Ca")])
def test_a_schedule_that_cannot_be_is_refused_under_its_field(wrong, says):
    view = RaceStepper(kl.after)
    view.replay("C2T1")
    told, state = view.describe(), view.state
    send(view.schedule, wrong)
    assert says in text_of(view.schedule_error.value) and "Nothing was changed" in view.schedule_error.value
    assert "<b>" not in view.schedule_error.value and view.schedule.value == wrong
    assert view.state == state and view.describe() == told
    click(view.columns[0].step_button)
    assert view.schedule_error.value == "" and view.schedule.value == "C2T1C1"


def test_in_code_a_wrong_schedule_is_raised():
    view = RaceStepper()
    with pytest.raises(ScheduleError, match="no thread is called X"):
        view.replay("X1")
    with pytest.raises(ValueError, match="no position 4"):
        view.jump(4)
    with pytest.raises(ValueError, match="no thread is called 'Q': write one of compaction, truncation"):
        view.step("Q")
    assert view.state["t"] == 0 and "error     ValueError" in view.describe()
    view.guard.errors.clear()


def test_changing_the_race_proves_it_again_and_follows_the_same_schedule():
    view = RaceStepper()
    view.play()
    send(view.settings.controls["kernel"], "after")
    assert view.proof.safe and view.machine.crash is None and view.stepper.text == "C3T21C1"
    view.set(compactors=2, folios=2)
    assert view.stepper.t == 0 and len(view.threads.children) == 3
    names = [text_of(column.reason.value).partition(":")[0] for column in view.columns[:3]]
    assert names == ["compaction a", "compaction b", "truncation"]
    assert len(view.settings.history) == 2
    click(view.settings.undo_button)
    assert view.state["kernel"] == "after" and view.stepper.text == "C3T21C1"
    view.undo()
    assert view.machine.crash and view.stepper.text == "C3T21C1" and view.settings.undo_button.disabled
    view.undo()
    assert view.describe() == replayed(view, RaceStepper()).describe()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_toggle_reaches_the_race_by_trait_by_message_and_in_code(name):
    views = [RaceStepper(kl.after) for _ in range(3)]
    for new in views[0].settings.legal[name]:
        if new == views[0].state[name]:
            continue
        views[0].settings.controls[name].value = new
        send(views[1].settings.controls[name], new)
        views[2].set(**{name: new})
        assert all(view.state[name] == new for view in views)
        assert len({view.describe() for view in views}) == 1


def test_unknown_settings_are_refused_with_the_legal_ones_and_nothing_is_changed():
    view = RaceStepper()
    told = view.describe()
    assert list(view.settings.legal) == SETTINGS
    for wrong, error, says in [({"kernel": "newer"}, ValueError, "write one of 'racy', 'after', 'before'"),
                               ({"folios": 3}, ValueError, "write one of 1, 2"),
                               ({"migrate": 1}, ValueError, "write one of False, True"),
                               ({"reclaim": 1}, TypeError, "no setting is called 'reclaim'")]:
        with pytest.raises(error, match=says):
            view.set(**wrong)
    view.guard.errors.clear()
    view.render()
    assert view.settings.history == [] and view.describe().startswith(told)
    with pytest.raises(TypeError, match="no flag 'dirt'"):
        RaceStepper(dirt=True)
    with pytest.raises(TypeError, match="unknown kernel"):
        RaceStepper("after")


def test_a_kernel_handed_in_is_one_of_the_choices_and_keeps_its_arguments():
    view = RaceStepper(broken_kernel(drops_a_reference), verdict=True, dirty=False)
    assert view.state["kernel"] == "mine" and view.proof.safe is False and "dirty=False" in view.verdict.value
    view.set(kernel=kl.after)
    assert view.proof.scenario.name == "truncation_race(after, dirty=False)"
    view.set(kernel="mine")
    view.play()
    assert "&lt;i&gt;" not in view.status.value and "<i>" not in view.columns[0].source.value


def test_a_kernel_whose_own_code_fails_is_refused_and_the_race_stays(monkeypatch):
    with pytest.raises(Exception, match="That is no race but an error in the path"):
        RaceStepper(broken_kernel(forgets_to_end))
    monkeypatch.setattr(Guard, "strict", False)
    view = RaceStepper(kl.after)
    view.kernels["racy"] = broken_kernel(forgets_to_end)
    view.step("C")
    told = view.describe()
    send(view.settings.controls["kernel"], "racy")
    assert "no race but an error in the path" in view.guard.strip.value
    assert view.settings.controls["kernel"].value == "after" and view.describe().startswith(told)
    assert view.settings.history == []
    view.guard.errors.clear()


@pytest.mark.parametrize("seed", range(3))
def test_after_400_random_events_a_race_is_the_replay_of_its_state(seed):
    view, other, dice = RaceStepper(), RaceStepper(), random.Random(seed)
    untouched = other.describe()
    view.hint_box.value = True
    for _ in range(400):
        random_event(view, dice)
        assert view.time.slider.value == view.stepper.t
        assert all(view.settings.controls[name].value == value
                   for name, value in view.settings.values.items())
    assert view.guard.errors == [] and other.describe() == untouched and other.state["t"] == 0
    fresh = RaceStepper(view.kernels[view.settings.values["kernel"]],
                        **{name: value for name, value in view.settings.values.items() if name != "kernel"})
    fresh.hint_box.value = True
    if view.asked_for is view.proof:
        fresh.ask()
    assert replayed(view, fresh).describe() == view.describe()
    assert fresh.state == view.state and fresh.objects.value == view.objects.value


@pytest.mark.parametrize("seed", range(3))
def test_after_400_random_events_a_path_is_the_replay_of_its_state(seed):
    arguments = [{"kind": "file, dirty"}, {"kind": "ramfs", "kernel": kl.racy},
                 {"path": races.truncation_race(kl.racy)}][seed]
    view, dice = PathStepper(**arguments), random.Random(seed)
    for _ in range(400):
        random_event(view, dice)
        assert view.time.slider.value == view.stepper.t and len(frames.done(view.machine)) == view.stepper.t
    if seed == 2:
        arguments = {"path": races.truncation_race(kl.racy)}
    assert view.guard.errors == [] and replayed(view, PathStepper(**arguments)).describe() == view.describe()


def test_every_control_is_called_something_in_words():
    view = RaceStepper()
    made = [*view.settings.controls.values(), *buttons(view), view.time.slider, view.schedule, view.hint_box]
    for control in made:
        words = [option[0] if isinstance(option, tuple) else str(option)
                 for option in getattr(control, "options", [control.description])]
        assert all(len(word) > 3 for word in words) and not getattr(control, "icon", "")


@pytest.mark.parametrize("make", [PathStepper, RaceStepper])
def test_what_is_displayed_says_the_same_in_every_run(make):
    one, other = make(), make()
    one.step(), other.step()
    bundle = one.box._repr_mimebundle_()
    assert bundle["text/plain"] == repr(one.box) == one.describe() == other.describe()
    assert bundle["text/plain"] == other.box._repr_mimebundle_()["text/plain"]
    assert one._repr_mimebundle_() == bundle and " at 0x" not in bundle["text/plain"]
    assert one.box.model_id not in bundle["text/plain"]
