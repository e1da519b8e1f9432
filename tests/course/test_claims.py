"""A sentence about the kernel has a row in tests/course/claims with what shows it, each row its sentence.

A file a notebook, a row a claim: cell, sentence or a part of it, functions, commit or release, what shows it:
    recording NAME    a recorded run of a real kernel; without a name, all of them
    run NN, run NB:NN the output of code cell NN of this notebook, or of notebook NB
    test NAME         a test
    C FILE            the source at that commit or release, read there
    message           the message of that commit
    mail DATE WHO     a mail on the kernel's lists
    errata ID         known to be wrong, or not shown in this release: ERRATA.md says what is right
    told              told, and not shown here
    nothing           the sentence is about the kit or the scene, or is quoted as wrong: it claims nothing
or several of them, with "; " between. Its words decide whether a sentence is about the kernel: `is_claim`.
"""
import csv
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from prose import ROOT, read, sentences, text_cells

LEDGER = Path(__file__).parent / "claims"
HEADER = ["cell", "claim", "function", "commit or release", "shown by"]
BOOKS = sorted(path for folder in ("notebooks", "solutions") for path in (ROOT / folder).glob("*.ipynb"))
book = pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)

COMMIT, RELEASE = r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", r"\bv?[67]\.\d+\b|\bRFC\b"
FUNCTION = r"(?<![.\w])([a-z_]+)\(\)"
FLAG = r"\b(?:AS|PG|ISOLATE|MIGRATE|GFP|PF|COMPACT|NR|ZONE|CONFIG)_[A-Z]+|__GFP|-E[A-Z]{3,}"
COUNTER = r"/proc/|\bvm\.|\b(?:pgmigrate|compact|unevictable_pgs)_\w+|\bstruct\b"
SURE = re.compile("|".join((COMMIT, RELEASE, FUNCTION, FLAG, COUNTER)))
LIKELY = re.compile(r"""\b(?:[Kk]ernels?|Linux|KVM|guest_memfd|secretmem|ramfs|tmpfs|kcompactd|CMA|LRU|RCU|
    mlock\w*|SHM_LOCK|[Cc]ompaction|[Rr]eclaim|[Tt]runcat\w+|[Mm]igrat\w+|scanners?|[Ff]olios?|
    [Mm]appings?|pageblocks?|[Pp]in(?:s|ned)?|refcount|trylock|patch|[Ii]nodes?|page\ cache|guests?|
    [Uu]nevictable|[Uu]nmovable|page[- ]tables?|page\ frames?|writeback|recorded|recordings?(?![.\w])|acked|
    fix-up|huge\ pages?|movable_ops|lruvec|chunks?|[Aa]sync\w*)\b""", re.VERBOSE)
OF_THE_KIT = re.compile(r"\b(?:[Yy]ours?|[Yy]ou|kit|models?|notebooks?|exercises?|checks?|learners?)\b")
KITS_OWN = {"unfold", "prove", "sweep", "memory", "isolate_folio", "isolated", "read",
            "on_the_lru", "up_to_the_lock"}
TO_DO = re.compile(r"""[*(]*(?:\*\*Try[^*]*\*\*\ )?(?:Afterwards\ you|If\ you\ are\ stuck|Ask|Choose|Compare|
    Count|Decide|Explain|Fill|Find|Follow|Go|Guess|Keep|Let|Look|Make|Name|Now|Open|Play|Predict|Press|Put|
    Read|Remember|Replay|Run|Say|See|Set|Show|Sketch|Start|Step|Stop|Suppose|
    Take|Think|Try|Write)\b""", re.VERBOSE)
POINTS_ELSEWHERE = re.compile(r"\([^()]*\b(?:notebook|exercise)s?\b[^()]*\)|\(?\[[^\]]*\]\([^)]*\.ipynb\)\)?")

SHOWN = re.compile(r"recording( \S+)?|run ((\d\db?):)?(\d\d)|test (test_\w+)|C (\S+\.[ch])|message|"
                   r"mail \d{4}-\d\d(?:-\d\d)? .+|errata ([WM]\d+)|told|nothing")
# The files that were read at the commit of the patch; all others were read at the releases.
READ_AT_THE_PATCH = {"mm/compaction.c", "mm/migrate.c", "include/linux/pagemap.h"}


class Row(NamedTuple):
    """A line of the ledger."""

    cell: str
    claim: str
    function: str
    commit: str
    shown: str


def is_claim(sentence):
    """Whether it must have a row: it names something of the kernel, asks nothing, orders nothing."""
    bare = POINTS_ELSEWHERE.sub("", sentence)
    if re.search(r"\?[*)\"]*$|\? \|", bare) or TO_DO.match(bare):
        return False
    if any(found[1] not in KITS_OWN for found in SURE.finditer(bare)):
        return True
    return bool(LIKELY.search(bare)) and not OF_THE_KIT.search(bare) and not bare.endswith(":")


def ledger(path):
    """The rows of a notebook."""
    with open(LEDGER / f"{path.stem}.tsv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert header == HEADER and [row for row in rows if len(row) != len(HEADER)] == []
    return [Row(*row) for row in rows]


def without_a_row(cells, rows):
    """The lines to write for sentences that are claims and are not quoted from end to end."""
    for cell, text in cells:
        quoted = sorted((row.claim for row in rows if row.cell == cell), key=len, reverse=True)
        for sentence in filter(is_claim, sentences(text)):
            left = "" if any(sentence in claim for claim in quoted) else sentence
            for claim in quoted:
                left = left.replace(claim, "")
            if re.search(r"\w", left):
                functions = [f"{name}()" for name in re.findall(FUNCTION, sentence) if name not in KITS_OWN]
                commits = re.findall(COMMIT, sentence)
                known = ", ".join(functions) or "FUNCTION", ", ".join(commits) or "COMMIT"
                yield "\t".join((cell, sentence, *known, "WHAT SHOWS IT"))


def without_a_sentence(cells, rows):
    """The rows whose claim does not stand in their cell."""
    texts = dict(cells)
    return [row for row in rows if not row.claim or row.claim not in texts.get(row.cell, "")]


def unfounded(path, rows):
    """The rows that name a recording, cell, test or erratum that is not there, or a source and no commit."""
    recordings = {file.stem for file in (ROOT / "kitlib/recordings").glob("*.npz")}
    tests = {name for file in (ROOT / "tests").rglob("test_*.py")
             for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)}
    told = (ROOT / "ERRATA.md").read_text(encoding="utf-8")
    errata = set(re.findall(r"^\*\*([WM]\d+)\. ", told, re.MULTILINE))

    def has_output(number, cell):
        file, = [path] if number is None else (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        return any(one["id"] == f"cell-{cell}" and one.get("outputs") for one in read(file))

    def was_read(source, commit):
        at = set(re.findall(f"{COMMIT}|{RELEASE}", commit))
        return bool(at if source in READ_AT_THE_PATCH else at - {"0003e2a41468"})

    def holds(row, shown):
        match = SHOWN.fullmatch(shown)
        if not match:
            return False
        recording, _, number, cell, test, source, erratum = match.groups()
        return not any((
            recording and recording.strip() not in recordings, cell and not has_output(number, cell),
            test and test not in tests, erratum and erratum not in errata,
            source and not was_read(source, row.commit),
            shown == "message" and not re.search(COMMIT, row.commit),
            shown == "nothing" and (row.shown, row.function, row.commit) != ("nothing", "-", "-")))

    return [row for row in rows if not all(holds(row, shown) for shown in row.shown.split("; "))]


@book
def test_every_claim_has_a_row(path):
    missing = list(without_a_row(text_cells(path), ledger(path)))
    assert not missing, f"write into {path.stem}.tsv, with what shows it:\n" + "\n".join(missing)


@book
def test_every_row_has_its_sentence(path):
    lost = without_a_sentence(text_cells(path), ledger(path))
    assert not lost, f"no such sentence in that cell: mend {path.stem}.tsv:\n" + "\n".join(map(str, lost))


@book
def test_what_shows_a_claim_is_there(path):
    rows = ledger(path)
    assert len(set(rows)) == len(rows)
    assert unfounded(path, rows) == []


def test_the_ledger_has_a_file_for_every_notebook_and_no_other():
    assert {file.name for file in LEDGER.iterdir()} == {f"{path.stem}.tsv" for path in BOOKS}


@pytest.mark.parametrize("planted", [
    "Since v6.9 the scanner takes large folios.", "`has_unmovable_pages()` treats the LRU as movable.",
    "The kernel frees the page.", "Commit 27e6a24a4cf3 merged the two.", "secretmem cannot be moved.",
    "With `vm.compact_unevictable_allowed` at 0 they stay.", "It says -EBUSY (notebook 04).",
    "`pin_user_pages()` adds 1,024 references; the model adds one."])
def test_a_planted_sentence_is_noticed(planted):
    path = BOOKS[0]
    cells = [(cell, f"{text}\n{planted}") for cell, text in text_cells(path)]
    missing = list(without_a_row(cells, ledger(path)))
    assert len(missing) == len(cells) and all(planted in line for line in missing)


@pytest.mark.parametrize("planted", [
    "Run the next cell.", "What will the scanner take?", "**Try:** step to the folio.",
    "The slider is the position in time.", "`unfold()` merges what is the same.",
    "The kit draws folios as squares.", "See [04 migrate](04_migrate.ipynb)."])
def test_what_claims_nothing_needs_no_row(planted):
    assert not any(map(is_claim, sentences(planted)))


def test_a_planted_row_is_noticed():
    path = BOOKS[0]
    rows, cells = ledger(path), list(text_cells(path))
    planted = rows[0]._replace(claim="Compaction never fails.")
    assert without_a_sentence(cells, [*rows, planted]) == [planted]
    elsewhere = rows[0]._replace(cell=cells[-1][0])
    assert without_a_sentence(cells, [*rows, elsewhere]) == [elsewhere]
    changed = [row._replace(claim=row.claim.replace(" ", " not ", 1)) for row in rows]
    assert without_a_sentence(cells, changed) == changed and list(without_a_row(cells, changed))


@pytest.mark.parametrize("shown", [
    "recording 6.8-mix-u1-s1", "run 99", "run 01", "run 03:99", "test test_nothing_at_all",
    "C mm/compaction.c", "message", "errata W99", "surely", "nothing; told", "nothing"])
def test_a_row_that_nothing_shows_is_noticed(shown):
    row = Row("cell-03", "a claim", "isolate_migratepages_block()", "some time", shown)
    assert unfounded(BOOKS[1], [row]) == [row]


def test_a_file_that_was_not_read_at_the_patch_shows_nothing_there():
    row = Row("cell-03", "a claim", "evict()", "0003e2a41468", "C fs/inode.c")
    assert unfounded(BOOKS[1], [row, row._replace(commit="6.12")]) == [row]
