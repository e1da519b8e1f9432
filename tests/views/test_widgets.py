"""The widgets without a browser: what is clicked is what the model does, and no error goes unheard."""
import html
import random
import re
from types import ModuleType

import ipywidgets
import pytest
from front_end import click, send

import kitlib as kl
from kitlib import frames, scenarios
from kitlib.concurrency import tree
from kitlib.mm.folio import folio_test_dirty
from kitlib.mm.mapping import AS_UNEVICTABLE, AS_UNMOVABLE, mapping_unmovable
from kitlib.widgets import FolioLab
from kitlib.widgets.box import Box
from kitlib.widgets.folio_lab import FLAGS, MODE, OF_MAPPING, REFERENCES
from kitlib.widgets.guard import Guard
from kitlib.widgets.source import source

KERNELS = {"before": kl.before, "racy": kl.racy, "after": kl.after}
# The palette, but for what is no folio.
FOLIO_KINDS = tuple(kind.name for kind in scenarios.KINDS if kind.name not in ("free", "slab", "page table"))


def on_a_fresh_folio(state):
    """The folio, kernel and mode of these settings, made without the lab."""
    folio = kl.one_folio(state["kind"])
    for name in (*FLAGS, *REFERENCES):
        setattr(folio, name, state[name])
    folio.mapping = next((one for one in folio.zone.mappings[1:] if one.name == state["mapping"]), None)
    if folio.mapping:
        folio.mapping.flags = state["as_unevictable"] << AS_UNEVICTABLE | state["unmovable"] << AS_UNMOVABLE
        moves = kl.Result.SUCCESS if state["migrate_folio"] else None
        folio.mapping.a_ops = folio.mapping.a_ops._replace(migrate_folio=moves)
    mode = kl.Mode(state["async_migrate"], state["isolate_unevictable"], state["gfp_fs"])
    return folio, KERNELS[state["kernel"]], mode


def decided(state):
    """The verdict of the bare path on these settings."""
    folio, kernel, mode = on_a_fresh_folio(state)
    return kl.run_path(kernel.isolate_folio(folio, mode))


def replayed(lab, *start):
    """Another lab, brought to the same settings in one event."""
    again = FolioLab(*start)
    again.set(**lab.state)
    return again


def random_event(lab, dice):
    """Any control that is not greyed out, by trait or by message, or any button."""
    name = dice.choice(["undo", "reset", "both", *lab.settings.controls])
    buttons = {"undo": lab.settings.undo_button, "reset": lab.reset_button, "both": lab.set_unmovable}
    control = buttons.get(name) or lab.settings.controls[name]
    if control.disabled:
        return
    if name in buttons:
        dice.choice([click, ipywidgets.Button.click])(control)
        return
    value = dice.choice(range(5) if name in REFERENCES else lab.settings.legal[name])
    if dice.random() < 0.5:
        send(control, value)
    else:
        control.value = value


def broken_kernel(path):
    """A learner's kernel, with this decision."""
    kernel = ModuleType("mine")
    kernel.isolate_folio = path
    return kernel


def asks_null(folio, mode):
    yield mapping_unmovable(None)


@pytest.mark.parametrize("kind", FOLIO_KINDS)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_a_new_lab_shows_what_the_path_decides(kind, kernel):
    lab = FolioLab(kind, kernel)
    alone = kl.run_path(kernel.isolate_folio(kl.one_folio(kind), kl.Mode()))
    assert lab.verdict == decided(lab.state) == alone
    assert lab.verdict.why in lab.result.value


def test_the_palette_of_folios_leaves_out_what_is_no_folio():
    assert FolioLab().settings.legal["kind"] == FOLIO_KINDS


def test_one_event_is_one_entry_of_history_and_one_picture(monkeypatch):
    lab, states = FolioLab(), []
    monkeypatch.setattr(lab.settings, "render", lambda: states.append(lab.state))
    begin = lab.state
    kind = "ramfs, never written"
    lab.set(kind=kind, async_migrate=True, unmovable=True, kernel="before")
    send(lab.settings.controls["dirty"], True)
    assert [values for values, _ in lab.settings.history] == [begin, states[0]] and len(states) == 2
    assert states[0] == FolioLab(kind, kl.before, kl.Mode(async_migrate=True)).state | {"unmovable": True}
    assert states[1] == states[0] | {"dirty": True}


@pytest.mark.parametrize("name", [*FLAGS, *OF_MAPPING, *MODE])
def test_every_switch_reaches_the_model_by_trait_by_message_and_in_code(name):
    labs = [FolioLab("guest_memfd") for _ in range(3)]
    begin = labs[0].state
    new = not begin[name]
    labs[0].settings.controls[name].value = new
    send(labs[1].settings.controls[name], new)
    labs[2].set(**{name: new})
    assert all(lab.state == begin | {name: new} and lab.settings.history == [(begin, None)] for lab in labs)
    assert len({lab.describe() for lab in labs}) == 1


def test_the_button_sets_what_the_kernels_function_sets():
    lab, fresh = FolioLab("file, clean"), kl.one_folio("file, clean")
    click(lab.set_unmovable)
    kl.mapping_set_unmovable(fresh.mapping)
    assert lab.folio.mapping.flags == fresh.mapping.flags != 0
    assert len(lab.settings.history) == 1


@pytest.mark.parametrize("seed", range(3))
def test_after_400_random_events_state_is_the_replay_of_history_and_the_verdict_the_paths(seed):
    lab, dice = FolioLab("ramfs"), random.Random(seed)
    for _ in range(400):
        random_event(lab, dice)
        assert lab.verdict == decided(lab.state)
        assert all(lab.settings.controls[name].value == value for name, value in lab.state.items())
    assert lab.guard.errors == [] and lab.guard.message == ""
    again = replayed(lab, "ramfs")
    assert again.state == lab.state
    assert again.describe() == lab.describe()
    while lab.settings.history:
        before, _ = lab.settings.history[-1]
        click(lab.settings.undo_button)
        assert lab.state == before
    assert lab.describe() == FolioLab("ramfs").describe()


def test_looking_leaves_the_folio_as_it_was():
    for kind in FOLIO_KINDS:
        lab = FolioLab(kind)
        begin = lab.folio.zone.snapshot()
        lab.render(), lab.describe(), lab.verdict
        if kind in FOLIO_KINDS[::8]:                          # draws a picture, too
            lab.box._repr_mimebundle_()
        assert lab.folio.zone.snapshot() == begin == kl.one_folio(kind).zone.snapshot(), kind


def test_a_lab_offers_the_kernels_before_and_after_the_patch_and_others_when_asked():
    def offered(**arguments):
        return [name for name, _ in FolioLab(**arguments).settings.controls["kernel"].options]

    assert offered() == ["before", "after"] == offered(kernel=kl.before)
    assert offered(kernels=(kl.before, kl.racy, kl.after)) == ["before", "racy", "after"]
    assert offered(kernel=broken_kernel(kl.after.isolate_folio)) == ["before", "after", "mine"]
    with pytest.raises(TypeError, match="unknown kernel"):
        FolioLab(kernels=("racy",))


def test_two_labs_do_not_disturb_each_other():
    one, other = FolioLab(), FolioLab()
    said = other.describe()
    one.set(unmovable=False, locked=True, kernel="before", gfp_fs=False)
    assert other.describe() == said
    assert other.settings.history == [] and not other.folio.locked


def test_undo_takes_back_one_event_and_reset_only_the_folio():
    lab = FolioLab("ramfs")
    lab.set(refcount=3, dirty=True, kernel="before")
    lab.set(unmovable=True)
    click(lab.settings.undo_button)
    assert lab.state["refcount"] == 3 and not lab.state["unmovable"]
    click(lab.reset_button)
    assert lab.state == FolioLab("ramfs", kl.before).state
    lab.undo()
    assert lab.state["refcount"] == 3
    lab.undo()
    lab.undo()
    assert lab.state == FolioLab("ramfs").state and lab.settings.undo_button.disabled


def test_impossible_folios_still_get_a_verdict():
    lab = FolioLab("anon")
    lab.set(refcount=0, mapcount=7, writeback=True, locked=True)
    assert lab.verdict.why == "reference count is zero"
    lab.set(mapping="ram_aops", refcount=999)
    assert lab.verdict.isolated


def test_an_unknown_setting_is_refused_with_the_legal_ones():
    lab = FolioLab()
    words = "no setting is called 'unmoveable': write one of kind, lru, .*unmovable.*, kernel"
    with pytest.raises(TypeError, match=words):
        lab.set(unmoveable=True)
    for wrong, options in [({"kind": "free"}, "one of 'anon'"),
                           ({"refcount": -1}, "a whole number from 0 to 999"),
                           ({"kernel": "newer"}, "one of 'before'"), ({"dirty": 1}, "one of False, True"),
                           ({"refcount": True}, "a whole number from 0 to 999")]:
        with pytest.raises(ValueError, match=f"is no such setting: write {options}"):
            lab.set(**wrong)
        assert options in html.unescape(lab.guard.strip.value)
    with pytest.raises(ValueError, match="write one of 'anon'"):
        FolioLab("slab")
    assert lab.settings.history == []
    lab.guard.errors.clear()


def test_a_flag_on_no_mapping_is_refused_and_the_whole_event_taken_back():
    lab = FolioLab("ramfs")
    with pytest.raises(ValueError, match="no mapping"):
        lab.set(kind="anon", dirty=True, unmovable=True)
    assert lab.state == FolioLab("ramfs").state and lab.settings.history == []
    assert lab.settings.controls["kind"].value == "ramfs" and not lab.settings.controls["unmovable"].value
    assert "no mapping" in lab.guard.strip.value
    lab.guard.errors.clear()
    lab.set(kind="anon")
    assert lab.settings.controls["unmovable"].disabled and lab.set_unmovable.disabled
    assert lab.guard.strip.value == ""


def test_a_kernel_bug_of_the_path_is_in_the_strip_and_the_picture_is_not_stale(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    lab = FolioLab("ramfs", broken_kernel(asks_null))
    assert "NullDereference" in lab.guard.strip.value and "NullDereference" in lab.result.value
    assert lab.verdict.label == "no verdict" and "NullDereference" in lab.describe()
    assert [type(error).__name__ for error in lab.guard.errors] == ["NullDereference"]
    send(lab.settings.controls["kernel"], "after")
    assert lab.verdict.isolated and lab.guard.message == ""
    with pytest.raises(kl.KernelBug):
        lab.set(kernel="mine")
    assert lab.state["kernel"] == "mine"
    lab.guard.errors.clear()


def test_the_difference_is_said_in_words():
    lab = FolioLab()
    assert "it changes the verdict" in lab.patch.value and "<b>yes</b>" in lab.patch.value
    lab.set(kind="ramfs")
    steps = "folio_trylock() and mapping_unmovable()"
    assert f"the verdict stays; the way there differs at {steps}" in lab.patch.value
    lab.set(kind="file, clean")
    assert "it changes nothing here" in lab.patch.value and "<b>yes</b>" not in lab.patch.value


@pytest.mark.parametrize("kind", FOLIO_KINDS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_lit_branch_is_the_one_taken(kind, kernel):
    lab = FolioLab(kind, KERNELS[kernel], kl.Mode(async_migrate=True))
    folio, chosen, mode = on_a_fresh_folio(lab.state)
    done = kl.run(kl.Machine(folio.zone, {"c": lambda: chosen.isolate_folio(folio, mode)}))
    way = tree.taken(kl.unfold(chosen.isolate_folio, mode=mode), done.trace)
    assert lab.tree.value.count("kit-lit") == len(way) - 1
    said = [f"{node.step} {answer}" for node, answer in way[:-1]] + [tree.leaf_text(way[-1][0])]
    assert lab.describe().endswith(f"taken    {' / '.join(said)}")


@pytest.mark.parametrize("kind", FOLIO_KINDS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_marked_lines_are_those_that_asked_with_their_answers(kind, kernel):
    lab = FolioLab(kind, KERNELS[kernel], kl.Mode(async_migrate=True))
    folio, chosen, mode = on_a_fresh_folio(lab.state)
    machine = kl.Machine(folio.zone, {"c": lambda: chosen.isolate_folio(folio, mode)})
    lines, stepped = source(chosen.isolate_folio.__code__), {}
    while machine.next:
        frame = machine.paths["c"].gi_frame
        line = frame.f_lineno - frame.f_code.co_firstlineno + 1
        event = machine.step("c")
        assert event.step in lines[line - 1] or "isolate_fail_put" in lines[line - 1]
        stepped[line] = frames.result_text(event)
    end = lab.verdict.why or "isolated"
    marked = re.findall(r"<tr class='kit-asked'><td>(\d+)</td>.*?</tr>", lab.source.value)
    answers = {int(line): answer for line, answer in re.findall(
        r"<td>(\d+)</td><td>[^<]*</td><td [^>]*>(?:(?!</tr>).)*<span class='kit-lit'>([^<]*)</span>",
        lab.source.value)}
    assert set(stepped) <= set(map(int, marked)) and len(marked) <= len(stepped) + 1
    assert all(answers[line] == answer for line, answer in stepped.items() if answer)
    assert list(answers.values())[-1] == end


def test_every_control_is_called_something_in_words():
    lab = FolioLab()
    for control in (*lab.settings.controls.values(), lab.set_unmovable, lab.settings.undo_button,
                    lab.reset_button):
        assert len(control.description) > 3 and not getattr(control, "icon", "")


def test_what_is_displayed_says_the_same_in_every_run():
    one, other = FolioLab("ramfs"), FolioLab("ramfs")
    bundle = one.box._repr_mimebundle_()
    assert bundle["text/plain"] == repr(one.box) == one.describe()
    assert bundle["text/plain"] == other.box._repr_mimebundle_()["text/plain"]
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == one.box.model_id
    assert one._repr_mimebundle_() == bundle
    assert one.box.model_id not in bundle["text/plain"] and " at 0x" not in bundle["text/plain"]


def test_a_box_asks_for_its_text_when_it_is_displayed():
    said = ["first"]
    box = Box([], describe=lambda: said[-1])
    said.append("second")
    assert box._repr_mimebundle_()["text/plain"] == "second"


def fails():
    raise ValueError("<b>5 & 6</b>")


def test_a_guard_shows_the_error_escaped_and_keeps_it(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    guard = Guard()
    assert guard.strip.layout.display == "none"
    assert guard(fails)() is None
    assert "ValueError: &lt;b&gt;5 &amp; 6&lt;/b&gt;" in guard.strip.value and "<b>5" not in guard.strip.value
    assert "test_widgets.py" in guard.strip.value and guard.strip.layout.display is None
    assert guard.message == "ValueError: <b>5 & 6</b>"
    assert [str(error) for error in guard.errors] == ["<b>5 & 6</b>"]
    assert guard(lambda: 7)() == 7
    assert guard.strip.value == "" and guard.strip.layout.display == "none" and len(guard.errors) == 1
    guard.errors.clear()


def test_a_strict_guard_raises_as_well():
    guard = Guard()
    with pytest.raises(ValueError, match="5 & 6"):
        guard(guard(fails))()
    assert guard.strip.value and len(guard.errors) == 1
    guard.errors.clear()


def test_an_inner_success_does_not_wipe_an_outer_failure(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    guard = Guard()

    def outer():
        try:
            fails()
        finally:
            guard(lambda: None)()

    guard(outer)()
    assert "5 &amp; 6" in guard.strip.value
    guard(lambda: (guard(fails)(), guard(lambda: None)()))()
    assert "5 &amp; 6" in guard.strip.value, "nor that of an inner callback before it"
    guard.errors.clear()


def test_what_happens_aside_leaves_the_strip_unless_it_fails(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    guard = Guard()
    guard(fails)()
    with guard.aside():
        pass
    assert "5 &amp; 6" in guard.strip.value
    with guard.aside():
        raise KeyError("aside")
    assert "aside" in guard.strip.value and len(guard.errors) == 2
    guard(lambda: None)()
    assert guard.strip.value == ""
    guard.errors.clear()


def test_what_is_called_from_code_raises_although_the_guard_is_not_strict(monkeypatch):
    monkeypatch.setattr(Guard, "strict", False)
    guard = Guard()
    with pytest.raises(ValueError), guard.aloud():
        guard(fails)()
    assert guard.strip.value and len(guard.errors) == 1
    guard(fails)()
    guard.errors.clear()


def test_a_click_that_fails_is_shown_and_kept_although_ipywidgets_swallows_it():
    guard = Guard()
    click(guard.button("Fail", "fails", fails))
    assert "5 &amp; 6" in guard.strip.value and len(guard.errors) == 1
    guard.errors.clear()


def test_a_guard_lets_an_interrupt_through():
    def interrupted():
        raise KeyboardInterrupt

    guard = Guard()
    with pytest.raises(KeyboardInterrupt):
        guard(interrupted)()
    assert guard.errors == []


def test_a_kernel_that_raises_an_error_of_its_own_is_shown_with_the_error(monkeypatch):
    def isolate_folio(folio, mode):
        yield folio_test_dirty(folio)
        raise ZeroDivisionError("my own mistake")

    kernel = ModuleType("learner")
    kernel.isolate_folio = isolate_folio
    monkeypatch.setattr(Guard, "strict", False)
    lab = FolioLab(kernel=kernel)
    assert "my own mistake" in lab.guard.message and "my own mistake" in lab._repr_mimebundle_()["text/plain"]
    lab.set(kernel="after")
    assert lab.guard.message == "" and lab.verdict.why
    lab.guard.errors.clear()
