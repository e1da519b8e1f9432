"""The decision tree is the path: every run follows it, and nothing else is in it."""
from itertools import pairwise

import pytest

import kitlib as kl
from kitlib.concurrency import tree
from kitlib.concurrency.tree import Leaf, Node, unfold
from kitlib.mm.folio import folio_get_nontail_page, folio_put, folio_test_dirty, folio_trylock, folio_unlock
from kitlib.mm.verdict import MODES
from kitlib.scenarios import KINDS

KERNELS = [kl.before, kl.racy, kl.after]
every_kernel_and_mode = pytest.mark.parametrize("kernel, mode", [(k, m) for k in KERNELS for m in MODES])


@every_kernel_and_mode
def test_every_run_follows_the_tree_to_its_own_ending(kernel, mode):
    grown = unfold(kernel.isolate_folio, mode=mode)
    for kind in KINDS:
        folio = kl.one_folio(kind.name)
        machine = kl.run(kl.Machine(folio.zone, {"c": lambda: kernel.isolate_folio(folio, mode)}))
        way = tree.taken(grown, machine.trace)
        assert way[-1] == (Leaf(machine.results["c"]), "")
        assert all(dict(node.branches)[answer] is after for (node, answer), (after, _) in pairwise(way))


@every_kernel_and_mode
def test_no_question_is_asked_whose_answer_changes_nothing(kernel, mode):
    found = tree.nodes(unfold(kernel.isolate_folio, mode=mode))
    for node in found:
        assert isinstance(node, Leaf) or len({id(child) for _, child in node.branches}) > 1
    assert len(found) == len({repr(node) for node in found}), "equal futures are one node"


@every_kernel_and_mode
def test_every_branch_is_the_path_when_it_hears_those_answers(kernel, mode):
    """Brute force: feed the path every list of answers, and walk the tree with the same ones."""
    grown, stand_in = unfold(kernel.isolate_folio, mode=mode), tree.StandIn("mapping")
    values = {"yes": True, "no": False, "NULL": None, "mapping": stand_in}
    endings = 0

    def explore(answers):
        nonlocal endings
        path, node = kernel.isolate_folio(tree.StandIn("folio"), mode), grown
        try:
            step = next(path)
            for answer in answers:
                if isinstance(node, Node) and node.step == step.name:
                    node = dict(node.branches)[answer]
                step = path.send(values[answer] if answer != "done" else None)
        except StopIteration as end:
            endings += 1
            assert node == Leaf(end.value)
            return
        for answer in tree.domain(step, lambda kind: [stand_in]):
            is_done = answer is None and step.name != "folio_mapping"
            explore((*answers, "done" if is_done else tree.answer_name(answer)))

    explore(())
    assert endings >= len([node for node in tree.nodes(grown) if isinstance(node, Leaf)])


def test_the_tree_of_after_in_sync_mode_has_eleven_questions():
    grown = unfold(kl.after.isolate_folio, mode=kl.Mode())
    questions = [node.step for node in tree.nodes(grown) if isinstance(node, Node)]
    assert len(questions) == 11 and "folio_test_dirty" not in questions and questions[0] == "PageLRU"
    assert questions.count("mapping_unmovable") == 1


def test_the_text_names_every_question_and_every_reason():
    grown = unfold(kl.after.isolate_folio, mode=kl.Mode(async_migrate=True))
    text = tree.text(grown)
    for node in tree.nodes(grown):
        assert (tree.leaf_text(node) if isinstance(node, Leaf) else str(node)) in text
    assert ">" not in text.replace("->", "")


def test_the_lit_branch_is_marked_from_the_root_to_the_ending():
    folio = kl.one_folio("guest_memfd")
    machine = kl.run(kl.Machine(folio.zone, {"c": lambda: kl.after.isolate_folio(folio, kl.Mode())}))
    grown = unfold(kl.after.isolate_folio, mode=kl.Mode())
    text = tree.text(grown, tree.taken(grown, machine.trace))
    lit = [line for line in text.splitlines() if line.startswith(">")]
    assert lit[0].split() == [">", "yes", "->", "2"] and len(lit) == 8
    assert lit[-1].endswith("yes -> mapping is unmovable")


def test_a_mapping_is_some_mapping_or_null():
    grown = unfold(kl.after.move_to_new_folio, mode=kl.MigrateMode.SYNC)
    assert str(grown) == "folio_mapping(src)"
    assert [answer for answer, _ in grown.branches] == ["mapping", "NULL"]


def test_unfolding_says_what_it_cannot_do():
    @kl.atomic
    def folio_age(folio):
        return 3

    def no_domain(folio):
        yield folio_age(folio)

    def endless(folio):
        while True:
            yield folio_unlock(folio)

    def wide(folio):
        answers = ()
        for _ in range(30):
            answers += ((yield folio_test_dirty(folio)),)
        return answers

    with pytest.raises(TypeError, match=r"what can folio_age\(\) answer\? Write its return annotation"):
        unfold(no_domain)
    with pytest.raises(RuntimeError, match=r"endless\(\) goes on after 200 steps"):
        unfold(endless)
    with pytest.raises(RuntimeError, match=r"wide\(\) has more than 20,000 endings"):
        unfold(wide)
    with pytest.raises(TypeError, match="has no parameter modes: write folio, mode"):
        unfold(kl.after.isolate_folio, modes=kl.Mode())


def test_equal_futures_are_merged():
    def path(folio):
        if not (yield folio_get_nontail_page(folio)):
            return "gone"
        dirty = yield folio_test_dirty(folio)
        locked = yield folio_trylock(folio)
        if locked:
            yield folio_unlock(folio)
        yield folio_put(folio)
        return "clean" if not dirty else "dirty"

    grown = unfold(path)
    assert [str(node) for node in tree.nodes(grown) if isinstance(node, Node)] == [
        "folio_get_nontail_page(folio)", "folio_test_dirty(folio)"]
