"""The learner's way: plain sentences, no word before its explanation, sources in one line, honest times."""
import ast
import json
import re
from statistics import median

import pytest
from prose import COURSE, LINK, ROOT, code_texts, lesson, read, sentences, source, text_cells, told

from kitlib import widgets
from kitlib.course.minutes import minutes

GLOSSARY = ROOT / "notebooks" / "glossary.ipynb"
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
COMMIT = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b")
SOURCES = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/"
OF_HISTORY = "11"                       # its subject are the commits
# Words of everyday English: whether the term is meant, no pattern can tell.
ORDINARY = {"order", "predict", "proof", "state", "step"}
WIDGETS = "|".join(name for name in widgets.__all__ if hasattr(getattr(widgets, name), "describe"))
# What else a text may call them.
ALSO = {"shmem": "shmem|tmpfs", "SPIN": "SPIN|Promela", "mlock": r"mlock\w*", "isolation": r"isolat\w+",
        "dirty": "dirty|dirt", "migration": r"migrat\w+", "unevictable LRU": "unevictable (?:LRU|list)"}
SPELLED_OUT = {
    "LRU": "least recently used", "CMA": "contiguous memory allocator", "RFC": "request for comments",
    "RCU": "read-copy-update", "KASAN": "kernel address sanitizer", "NUMA": "non-uniform memory access",
    "TOCTOU": "time of check to time of use", "pfn": "page-frame number"}

lessons = pytest.mark.parametrize("number", COURSE)


def glossary():
    """term -> the number of the notebook that introduces it."""
    lines = "\n".join(map(source, read(GLOSSARY)))
    return dict(re.findall(r"^\* \*\*(.+?)\*\*: .+ \(\[(\d\db?)\]\(\S+\)\)$", lines, re.MULTILINE))


def pattern(term):
    """Where a text uses it, in the singular or plural."""
    words = ALSO.get(term) or re.escape(term) + ("" if term[-1] in "sm" and term.isupper() else "(?:e?s)?")
    flags = 0 if re.search("[A-Z]", term) else re.IGNORECASE
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-]|\.ipynb)", flags)


def first_use(path, term):
    """(its unit, whether it is a link to the glossary) of the first use; None if there is none."""
    for _, text in text_cells(path):
        for unit in text.split("\n"):
            if unit.startswith("**Kernel"):
                continue
            # The title of another notebook is no use, and no address is.
            bare = re.sub(r"\[[^\]]*\]\((?!glossary)[^)]*\)|\]\([^)]*\)",
                          lambda link: " " * len(link[0]), unit)
            if found := pattern(term).search(bare):
                linked = any(link.start() <= found.start() < link.end() and "glossary.ipynb" in link[2]
                             for link in LINK.finditer(unit))
                return unit, linked
    return None


def said_in_code(path, term):
    """The ids of code cells that say it, though no text above links it."""
    for cell in read(path):
        if cell["cell_type"] == "code":
            if any(pattern(term).search(text) for text in code_texts(cell)):
                yield cell["id"]
        elif any("glossary.ipynb" in link[2] and pattern(term).search(link[1])
                 for link in LINK.finditer(source(cell))):
            return


def early(path, number, terms):
    """The terms that a notebook uses before they are introduced, and does not link: (term, number, where)."""
    at = COURSE.index(number)
    for term, introduced in terms.items():
        if COURSE.index(introduced) > at and term not in ORDINARY:
            used = first_use(path, term)
            if used and not used[1]:
                yield term, introduced, used[0]
            yield from ((term, introduced, cell) for cell in said_in_code(path, term))


@lessons
def test_no_word_comes_before_its_explanation(number):
    lines = [f"{term} ({introduced}): {unit[:150]}"
             for term, introduced, unit in early(lesson(number), number, glossary())]
    assert not lines, "link the first use, [term](glossary.ipynb#T):\n" + "\n".join(lines)


def test_every_term_is_explained_in_the_notebook_that_introduces_it():
    missing = [(term, number) for term, number in glossary().items()
               if term not in ORDINARY and not first_use(lesson(number), term)]
    assert missing == []


@pytest.mark.parametrize("acronym", SPELLED_OUT)
def test_an_acronym_is_spelled_out_at_its_first_use(acronym):
    for number in COURSE:
        for _, text in text_cells(lesson(number)):
            found = [sentence for sentence in sentences(text) if not sentence.startswith("**Kernel")
                     and re.search(rf"\b{acronym}\b", LINK.sub(r"\1", sentence))]
            if found:
                assert SPELLED_OUT[acronym] in found[0].lower(), f"{number}: {found[0]}"
                return


def length(sentence):
    return len(LINK.sub(r"\1", sentence).split())


def too_long(path):
    return [sentence for _, sentence in told(path) if length(sentence) > 40]


@pytest.mark.parametrize("path", [*map(lesson, COURSE), *EXERCISES], ids=lambda path: path.stem)
def test_sentences_are_short(path):
    """A reader holds one fact at a time."""
    assert median(length(sentence) for _, sentence in told(path)) <= 18
    assert too_long(path) == []


def with_commits(path):
    return [sentence for _, sentence in told(path) if COMMIT.search(LINK.sub(r"\1", sentence))]


@lessons
def test_commits_stand_in_the_line_of_sources_and_not_in_sentences(number):
    assert number == OF_HISTORY or with_commits(lesson(number)) == []


@lessons
def test_the_kernels_own_text_is_one_click_away(number):
    """One line of links: every function that a *Why* names, at a commit or release."""
    first, *rest = [source(cell) for cell in read(lesson(number)) if cell["cell_type"] == "markdown"]
    line, = [line for line in first.splitlines() if line.startswith("**Kernel**")]
    links = {re.sub("[`*]", "", name): url for name, url in LINK.findall(line)}
    assert links and "0003e2a41468" in line
    assert all(url.startswith(SOURCES) and re.search(r"[?&]i?h?d?=\S+", url) for url in links.values())
    named = {name for text in rest if text.startswith("**Why")
             for name in re.findall(r"`([a-z_]+\(\))`", text.split("\n\n")[0])}
    ours = {f"{name}()" for name in ("prove", "unfold", "sweep", "memory", "predict", "replay")}
    assert named - ours - set(links) == set()


def drives(path):
    """The cells that touch a widget once it is the learner's."""
    shown = set()
    for cell in read(path):
        if cell["cell_type"] == "code":
            if any(re.search(rf"\b{name}\b", source(cell)) for name in shown):
                yield cell["id"]
            if found := re.search(r"^(\w+)\.box$", source(cell).rstrip(), re.MULTILINE):
                shown.add(found[1])


def tells(path):
    """The cells that drive a widget which is not shown, and do not fold what it says."""
    for cell in read(path):
        if cell["cell_type"] == "code" and re.search(rf"\b(?:{WIDGETS})\(", source(cell)):
            last, ends = ast.unparse(ast.parse(source(cell)).body[-1]), r"folded\(|\w+\.box$"
            if re.search(r"\.describe\(|\bcopy\b", source(cell)) and not re.match(ends, last):
                yield cell["id"]


@lessons
def test_no_cell_drives_the_learners_own_widget(number):
    """What a widget shows is the learner's to find: text about it comes from a copy, and is folded."""
    assert [*drives(lesson(number))] == [*tells(lesson(number))] == []


def early_in_06(path):
    return early(path, "06", glossary())


# Fault -> a cell that has it, and who notices.
PLANTED = {
    "an early word": ("markdown", "The lruvec comes first.", early_in_06),
    "a link too late": ("markdown", "The lruvec. The [lruvec](glossary.ipynb#L).", early_in_06),
    "an early word in a question": ("code", 'predictions.ask("x", "Which lruvec?", guess=...)', early_in_06),
    "an early word in a comment": ("code", "1 + 1   # the lruvec", early_in_06),
    "a long sentence": ("markdown", f"It is {'very ' * 40}long.", too_long),
    "a commit": ("markdown", "It came with 0003e2a41468 then.", with_commits),
    "the learner's own widget": ("code", "view.play()", drives),
    "an answer in the open": ("code", "copy = RaceStepper(kl.cached)\nprint(copy.describe())", tells)}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_noticed(fault, tmp_path):
    """Each stands behind 06's own stepper."""
    kind, text, faults = PLANTED[fault]
    cells, path = read(lesson("06")), tmp_path / "06_planted.ipynb"
    at = next(at for at, cell in enumerate(cells) if source(cell).rstrip().endswith("view.box")) + 1
    cell = {"cell_type": kind, "id": "planted", "source": [text]}
    for planted, is_noticed in (([], False), ([cell], True)):
        path.write_text(json.dumps({"cells": cells[:at] + planted + cells[at:]}), encoding="utf-8")
        assert bool([*faults(path)]) == is_noticed


@lessons
def test_the_time_that_it_says_is_measured(number):
    cells = read(lesson(number))
    assert f"**Time** {minutes(cells)} minutes." in source(cells[0])
    row = rf"\| \[{number} .*\| {minutes(cells)} \|"
    here = r"\| \*\*00 .*\| " + f"{minutes(cells)} \\|" if number == "00" else row
    assert re.search(row, (ROOT / "README.md").read_text(encoding="utf-8")), f"README: {minutes(cells)}"
    assert re.search(here, "\n".join(map(source, read(lesson("00")))))


@lessons
def test_a_notebook_ends_with_something_unseen(number):
    last = source(read(lesson(number))[-1])
    assert "**On something unseen.**" in last and "<details><summary>" in last and "</details>" in last
    parts = "Three things to remember", "**On something unseen.**", "\nExercise: "
    assert sorted(parts, key=last.index) == [*parts]
    after = last.split("\nExercise: ")[1].split("\n", 1)
    assert number == COURSE[-1] or (len(after) == 2 and re.search(r"\w.*[.?!]\s*$", after[1]))
