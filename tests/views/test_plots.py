"""Pictures can be read in every way that they are drawn for: in colour, by marks, in words."""
import itertools
import random
import re

import numpy as np
import pytest

import kitlib as kl
from kitlib import plots, recordings, scan
from kitlib.plots import maps

PALETTES = {"light": plots.LIGHT, "dark": plots.DARK}
LEAST_DIFFERENCE = 18

# Full colour blindness in linear RGB (Machado, Oliveira and Fernandes 2009).
VISIONS = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}


# --- colours

def rgb(colour):
    return tuple(bytes.fromhex(colour[1:]))


def lab(colour, vision="normal"):
    """CIE L*a*b* (D65) of a hex colour."""
    value = np.array(rgb(colour)) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175],
                    [0.0193339, 0.119192, 0.9503041]]) @ linear
    x, y, z = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29
               for t in xyz / (0.95047, 1, 1.08883))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
    (l1, a1, b1), (l2, a2, b2) = one, other
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 1.5 - 0.5 * np.sqrt(c7 / (c7 + 25 ** 7))
    a1, a2 = g * a1, g * a2
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    d_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    h = h1 + h2 if c1 * c2 == 0 else h1 + turn / 2
    light, chroma = (l1 + l2) / 2 - 50, (c1 + c2) / 2
    t = (1 - 0.17 * np.cos(np.radians(h - 30)) + 0.24 * np.cos(np.radians(2 * h))
         + 0.32 * np.cos(np.radians(3 * h + 6)) - 0.2 * np.cos(np.radians(4 * h - 63)))
    s_l = 1 + 0.015 * light ** 2 / np.sqrt(20 + light ** 2)
    s_c, s_h = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    blue = np.radians(60 * np.exp(-(((h % 360 - 275) / 25) ** 2)))
    twist = -2 * np.sqrt(chroma ** 7 / (chroma ** 7 + 25 ** 7)) * np.sin(blue)
    d_l, d_c, d_h = (l2 - l1) / s_l, (c2 - c1) / s_c, d_h / s_h
    return np.sqrt(d_l ** 2 + d_c ** 2 + d_h ** 2 + twist * d_c * d_h)


def least_difference(palette, vision):
    return min(ciede2000(lab(one, vision), lab(other, vision))
               for one, other in itertools.combinations(palette.values(), 2))


@pytest.mark.parametrize("one, other, difference", [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.5, 0), (73, 25, -18), 27.1492), ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082)])
def test_the_colour_difference_is_that_of_sharmas_test_data(one, other, difference):
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", PALETTES)
def test_any_two_states_differ_in_colour_for_every_eye(theme, vision):
    assert least_difference(PALETTES[theme], vision) >= LEAST_DIFFERENCE


@pytest.mark.parametrize("theme", PALETTES)
def test_every_state_has_a_colour_and_a_second_channel(theme):
    assert list(PALETTES[theme]) == list(plots.STATES) == list(plots.MARKS)
    assert len(set(plots.MARKS.values())) == len(plots.STATES)
    plain = [lab(PALETTES[theme][state])[0]
             for state, mark in plots.MARKS.items() if mark.startswith("plain")]
    assert len(plain) == 3, "told apart by lightness alone"
    assert min(abs(a - b) for a, b in itertools.combinations(plain, 2)) > 15


@pytest.mark.parametrize("theme", PALETTES)
def test_the_squares_of_two_states_differ_in_shape_where_marks_fit(theme):
    drawn = {state: maps._stamp(state, 13, PALETTES[theme]) for state in plots.STATES}
    shapes = {state: tuple((square != square[0, 0]).ravel()) for state, square in drawn.items()}
    marked = [shapes[state] for state, mark in plots.MARKS.items() if not mark.startswith("plain")]
    assert len(set(marked)) == 4 and shapes["free"] == shapes["movable"] == shapes["unmovable"] not in marked


# --- page states

def test_each_kind_of_page_has_its_state():
    names = ["free", "anon", "anon, mlocked", "guest_memfd", "slab", "anon, in a per-CPU LRU batch",
             "file, dirty"]
    states = plots.page_states(kl.zone_of(*names))
    assert [plots.STATES[state] for state in states] == [
        "free", "movable", "unevictable", "unmovable", "unmovable", "unmovable", "movable"]


def test_pages_are_marked_by_a_mask_and_by_pfns_alike():
    zone = kl.random_zone(2000, seed=1)
    taken = scan.verdicts(zone, kl.after, kl.Mode()) == 0
    by_mask = plots.page_states(zone, taken)
    assert (by_mask == plots.page_states(zone, np.flatnonzero(taken))).all()
    assert (by_mask == plots.page_states(zone, np.flatnonzero(taken).tolist())).all()
    assert ((by_mask == plots.STATES.index("isolated")) == taken).all()


def test_later_fates_go_before_earlier_ones():
    states = plots.page_states(kl.zone_of("anon", repeat=4), [0, 1, 2], migrated=[1, 2], failed=[2])
    assert [plots.STATES[state] for state in states] == ["isolated", "migrated", "failed", "movable"]


def test_a_large_folio_has_one_state():
    recording = recordings.load("6.12-mthp-u1-s309")
    states = plots.page_states(recording, recording.tried_pfns)
    order = np.frombuffer(recording.memory.order, np.uint8)
    large = [pfn for pfn in recording.tried_pfns.tolist() if order[pfn] == 4]
    assert large and all((states[pfn:pfn + 16] == plots.STATES.index("isolated")).all() for pfn in large)


@pytest.mark.parametrize("name", recordings.names())
def test_below_the_pageblock_where_its_scanner_stopped_the_kernel_and_the_model_take_the_same_pages(name):
    recording = recordings.load(name)
    kernel = plots.page_states(recording, recording.tried_pfns)
    model = plots.page_states(recording, recordings.verdicts(recording) == 0)
    scanned = slice(int(recording.zone_start[1]), int(recording.zone_end_pfns[1, 0]) - 512)
    # In the noise run pages changed after the snapshot.
    assert (kernel == model)[scanned].all() != ("noise" in name)


@pytest.mark.parametrize("isolated, says", [
    (np.zeros(8, np.uint8), "write isolated=codes == 0"), ([True, False], "write isolated=codes == 0"),
    ([0.5], "write isolated="), ([8], "write pfns from 0 to 7"), ([-1], "write pfns from 0 to 7")])
def test_pages_that_are_no_pages_are_refused_with_the_line_to_write(isolated, says):
    with pytest.raises((TypeError, ValueError), match=re.escape(says)):
        plots.page_states(kl.Zone(8), isolated)


# --- memory maps

def a_map(pages=4096, **options):
    zone = kl.random_zone(pages, seed=1)
    taken = np.flatnonzero(scan.verdicts(zone, kl.after, kl.Mode()) == 0)
    states = plots.page_states(zone, taken, migrated=taken[::3], failed=taken[::100])
    return states, plots.memory_map(states, migratetype=zone.migratetype, **options)


def numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", text)]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("pages, first_pfn", [(1, 0), (700, 700), (700, np.int64(700)), (4096, 0),
                                              (4096, 0x1e000), (9000, 100), (131_072, 0)])
def test_a_page_is_drawn_in_the_colour_of_its_state(pages, first_pfn, dark):
    states = np.random.default_rng(1).integers(0, 6, pages).astype(np.uint8)
    image = plots.memory_map(states, first_pfn=first_pfn, title="x", dark=dark).image.convert("RGB")
    grid, palette = maps._grid(states, first_pfn, None), plots.DARK if dark else plots.LIGHT
    for index in random.Random(1).sample(range(pages), min(pages, 300)):
        x, y = grid.page(index + first_pfn % 512)
        state = plots.STATES[states[index]]
        assert image.getpixel((x, y + maps.MARGIN + 44)) == rgb(palette[state])
        if not grid.marked or plots.MARKS[state] in ("outline", "plain"):
            middle = grid.cell // 2 - (grid.cell >= 5)
            assert image.getpixel((x + middle, y + middle + maps.MARGIN + 44)) == rgb(palette[state])


def test_the_squares_of_eight_pageblocks_have_marks_and_those_of_256_have_not_and_say_so():
    small, large = (maps._grid(np.zeros(pages, np.uint8), 0, None) for pages in (4096, 131_072))
    assert small.marked and not large.marked and large.cell >= 2
    assert maps._notes(small, None, 0, 0, 1) == []
    assert "colour alone" in maps._notes(large, None, 0, 0, 1)[0]


@pytest.mark.parametrize("pages", [1, 511, 513, 4096, 20_000, 131_072])
def test_the_text_counts_every_page_once(pages):
    _, picture = a_map(pages)
    total, blocks, *counts = numbers(repr(picture))
    assert total == sum(counts) == pages and blocks == -(-pages // 512)
    assert repr(picture).startswith("Memory map, ")


def test_the_picture_of_a_map_is_the_same_bytes_every_time():
    states, picture = a_map(title="again")
    assert picture.png == a_map(title="again")[1].png
    assert picture.png != plots.memory_map(states[::-1].copy(), title="again").png


@pytest.mark.parametrize("dark", [False, True])
def test_a_recorded_memory_of_131_072_pages_is_a_small_file(dark):
    recording = recordings.load("6.12-mix-u1-s307")
    states = plots.page_states(recording, recording.tried_pfns)
    picture = plots.memory_map(states, migratetype=recording.migratetype.tolist(), dark=dark)
    assert len(picture.png) < 120_000 and picture.image.mode == "P"


def test_a_notebook_gets_the_picture_at_half_its_pixels_and_its_text():
    _, picture = a_map()
    png, shown = picture._repr_png_()
    assert png == picture.png and png.startswith(b"\x89PNG")
    assert (shown["width"] * 2, shown["height"] * 2) == picture.image.size and shown["width"] == 900
    assert shown["alt"] == repr(picture) == picture.text


def test_pageblocks_under_isolation_are_framed():
    states = plots.page_states(kl.random_zone(4096, seed=1))
    plain, framed = (plots.memory_map(states, migratetype=[kind] * 8).image.convert("RGB")
                     for kind in ("MOVABLE", "ISOLATE"))
    x, y = maps._grid(states, 0, None).tile(3)
    corner = (x - 3, y - 3 + maps.MARGIN + 44)
    assert framed.getpixel(corner) == rgb(plots.LIGHT["isolated"]) != plain.getpixel(corner)


def test_two_maps_stand_above_each_other_and_the_text_counts_where_they_differ():
    states, picture = a_map()
    other = states.copy()
    other[:10] = (other[:10] + 1) % 7
    pair = plots.compare_maps({"the kernel": states, "the model": other})
    assert repr(pair).endswith("; 10 pages differ") and repr(pair).count("4,096 pages in 8 pageblocks") == 2
    assert pair.image.size[0] == picture.image.size[0] and pair.image.size[1] < 1600
    assert repr(plots.compare_maps({"a": states, "b": states})).endswith("; 0 pages differ")


STATES = np.zeros(1024, np.uint8)


@pytest.mark.parametrize("draw, says", [
    (lambda: plots.memory_map(STATES.astype(int)),
     "not page states but a int64 array: write memory_map(page_states(zone))"),
    (lambda: plots.memory_map(kl.Zone(8)), "not page states but a Zone: write memory_map(page_states(zone))"),
    (lambda: plots.memory_map([0, 1]), "not page states but a list: write"),
    (lambda: plots.memory_map(STATES[:0]), "there is no page to draw: write a range with pages"),
    (lambda: plots.memory_map(STATES + np.uint8(7)), "7 is no page state: write 0 to 6"),
    (lambda: plots.memory_map(STATES, migratetype=[1]),
     "no entry for pageblock 1: write migratetype=zone.migratetype"),
    (lambda: plots.memory_map(STATES, columns=60), "do not fit: write columns=32 or fewer"),
    (lambda: plots.memory_map(STATES, columns=0), "do not fit: write columns=32 or fewer"),
    (lambda: plots.memory_map(STATES, first_pfn=-5), "-5 is no pfn: write first_pfn=0"),
    (lambda: plots.compare_maps({}), "no map to compare: write"),
    (lambda: plots.compare_maps({"a": STATES, "b": STATES[1:]}), "write the same range for each"),
])
def test_bad_input_is_refused_with_what_to_write(draw, says):
    with pytest.raises((TypeError, ValueError), match=re.escape(says)):
        draw()


def test_memory_afterwards_is_framed_where_a_page_is_not_as_the_kernel_has_it():
    recording = recordings.load("6.1-mix-u0-s105")
    same, other = (plots.compare_arrivals(recording, 0x1C000, 0x1C400, without=rules)
                   for rules in ((), "last target first"))
    kernel = ("The kernel's memory afterwards, 1,024 pages in 2 pageblocks: "
              "387 movable, 61 unevictable, 576 migrated; ")
    assert str(same).startswith(kernel) and str(same).endswith("; 0 pages differ")
    assert str(other).startswith(kernel) and str(other).endswith("273 migrated; 303 pages differ")
