"""Notebook 00: the three problems are those of the recordings and the model, the course's times add up."""
import json
import re
from pathlib import Path

import pytest
from prose import read, source

import kitlib as kl
from kitlib import recordings
from kitlib.compaction import control_for

ROOT = Path(__file__).parents[2]
CELLS = json.loads((ROOT / "notebooks/00_start_here.ipynb").read_text(encoding="utf-8"))["cells"]
TEXT = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
PROBLEMS = TEXT.split("## Three problems\n")[1].split("\n## ")[0]
# Of the course: notebook, question, minutes, exercises, minutes; the last row has the sums.
*ROWS, SUMS = [[cell.strip() for cell in line.strip("|").split("|")]
               for line in TEXT.split("## The course\n")[1].splitlines()
               if line.startswith("| ") and "minutes" not in line]
INSTRUCTOR = (ROOT / "notebooks/instructor.md").read_text(encoding="utf-8")
NUMBER = r"\d+b?"
LESSONS = {re.search(NUMBER, row[0])[0]: int(row[2]) for row in ROWS if row[2]}
EXERCISES = {number: int(minutes) for row in ROWS
             for number, minutes in zip(re.findall(r"\[(\d+)\]", row[3]), row[4].split(", "))}


@pytest.mark.parametrize("name", ["6.12-gmem-u1-s356-flip", "6.12-gmem-u1-s356"])
def test_work_for_nothing_is_told_as_it_was_recorded(name):
    run = recordings.load(name)
    asked, moved = len(run.tried_pfns), run.meta["vmstat_delta"]["pgmigrate_success"]
    assert f"{run.meta['allocated_pages']['gmem']:,} pages that cannot move" in PROBLEMS
    assert re.search(rf"asked (for a new place )?{asked:,} times, {asked - moved:,} times in vain", PROBLEMS)


def test_the_two_lines_crash_where_a_coin_decides_as_rarely_as_is_told():
    proof = kl.prove(kl.truncation_race(kl.racy))
    assert f"one run in {1 / proof.coin_flip:,.0f} crashes" in PROBLEMS


def test_a_page_of_a_gigabyte_is_so_many_pages():
    assert f"{(1 << 30) // 4096:,} ordinary pages" in PROBLEMS


def test_the_scanner_takes_a_pinned_page_of_a_file_and_migration_gives_it_up():
    verdict = kl.run_path(kl.after.isolate_folio(kl.one_folio("file, pinned"), kl.Mode()))
    assert verdict.label == "isolate_success" and "no mapping" in TEXT
    cc = control_for("compact_memory", kl.zone_of("file, pinned", *["slab"] * 1023, *["free", "slab"] * 512))
    kl.compact_zone(cc)
    assert {str(code): pages for code, pages in cc.failed.items()} == {"-EAGAIN": 1}


def test_every_lesson_and_exercise_stands_once_in_the_course_and_exercises_in_their_order():
    table = "\n".join(" ".join(row) for row in ROWS)
    lessons = [path.name for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
    assert re.findall(r"\]\((\w+\.ipynb)\)", table) == [name for name in lessons if not name.startswith("00")]
    exercises = [path.name for path in sorted((ROOT / "exercises").glob("*.ipynb"))]
    assert re.findall(r"exercises/(\w+\.ipynb)", table) == exercises


def test_the_times_of_the_course_add_up():
    sums = [sum(LESSONS.values()), sum(EXERCISES.values())]
    assert [int(SUMS[2]), int(SUMS[4])] == sums and len(LESSONS) == len(ROWS)
    assert f"All of it takes about {sum(sums) / 60:.0f} hours." in TEXT


def needed(words):
    """The minutes of what is named, as "notebooks 01, 02, exercise 01", and each name."""
    lessons, _, exercises = words.partition("exercise")
    named = [(LESSONS, one) for one in re.findall(NUMBER, lessons)]
    named += [(EXERCISES, one) for one in re.findall(NUMBER, exercises)]
    return sum(minutes[one] for minutes, one in named), named


def test_an_instructors_plan_has_all_but_the_project_once_and_takes_as_long_as_its_parts():
    plan = INSTRUCTOR.split("### Four weeks")[1].split("\n\nExercise 12 ")[0]
    cells, seen = re.findall(r"\| ([^|:]+): (\d+) minutes(?= \|)", plan), []
    for at, (words, minutes) in enumerate(cells):
        sums, named = needed(words)
        assert sums == int(minutes), words
        assert at % 3 == 2 or sums <= (45, 90)[at % 3], words
        seen += named
    assert len(cells) == 12 and [seen.count((LESSONS, one)) for one in LESSONS] == [1] * len(LESSONS)
    assert [one for one in EXERCISES if seen.count((EXERCISES, one)) != 1] == ["12"]


def test_an_instructor_is_told_how_much_there_is():
    cells = [cell for path in (ROOT / "notebooks").glob("[0-9]*.ipynb") for cell in read(path)]
    asked = sum(source(cell).count(".ask(") for cell in cells if cell["cell_type"] == "code")
    assert f", {asked} times in all" in INSTRUCTOR
    short = re.search(r"Two labs .+: (\d+) minutes in all\. Exercises 06, 07 .+: (\d+) minutes\.", INSTRUCTOR)
    assert [int(minutes) for minutes in short.groups()] == [
        sum(LESSONS[one] for one in ("00", "01", "02", "03", "06")), EXERCISES["06"] + EXERCISES["07"]]


def test_the_short_way_takes_as_long_as_its_parts():
    words = (r"\*\*The short way\*\* takes three hours: notebooks (.+?)\. "
             r"Exercises (.+?) take (\d+) minutes more\.")
    *parts, minutes = re.search(words, TEXT).groups()
    lessons, exercises = (re.findall(NUMBER, part) for part in parts)
    assert lessons == ["00", "01", "02", "03", "06"] and exercises == ["06", "07"]
    assert 165 <= sum(map(LESSONS.get, lessons)) <= 195
    assert sum(map(EXERCISES.get, exercises)) == int(minutes)
