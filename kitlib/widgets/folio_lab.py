"""One folio under the learner's hands: change what the decision asks, and see the verdict and the way to it.

The kernel's own path is run on a zone of one page, and the zone is put back: looking changes nothing. Leaves
out what comes before it (free and compound pages) and after it (the LRU lock), and everything that needs a
second thread.
"""
import functools
from collections.abc import Iterable
from html import escape
from types import ModuleType

import ipywidgets

from .. import plots, scenarios
from ..concurrency import tree
from ..kernels import after, before, check_kernel, name as name_of
from ..mm import a_ops
from ..mm.folio import PG
from ..mm.mapping import AS_UNEVICTABLE, AS_UNMOVABLE, AddressSpace, clear_bit, flag_names, set_bit
from ..mm.verdict import Mode, Result, Verdict, check_mode
from . import source
from .box import Box, View, comparison, growing, title, tree_table, way_text, wrap
from .decision import Decided, compared_rows, decide, patch, result_html
from .guard import Guard
from .settings import Setting, Settings, choice, count, switch, toggles

_unfolded = functools.cache(tree.unfold)

# Setting: what its control is called, and the tip on it.
FLAGS = {"lru": ("PG_lru: on an LRU list", "whoever clears it has isolated the folio"),
         "unevictable": ("PG_unevictable: on the unevictable list", "reclaim leaves the folio alone"),
         "dirty": ("PG_dirty: newer than its file", "the folio must be written before it is dropped"),
         "writeback": ("PG_writeback: being written out", "the write is under way"),
         "locked": ("PG_locked: by somebody else", "folio_trylock() will not get the lock")}
REFERENCES = {"refcount": ("reference count", "references held before compaction takes its own"),
              "mapcount": ("page-table entries", "how often the folio is mapped")}
OF_MAPPING = {"as_unevictable": (f"AS_UNEVICTABLE: bit {AS_UNEVICTABLE}", "the raw bit of mapping->flags"),
              "unmovable": (f"AS_UNMOVABLE: bit {AS_UNMOVABLE}", "the raw bit of mapping->flags"),
              "migrate_folio": ("a_ops has migrate_folio", "which may still refuse")}
MODE = {"async_migrate": ("ISOLATE_ASYNC_MIGRATE", "refuse writeback, and dirty without migrate_folio"),
        "isolate_unevictable": ("ISOLATE_UNEVICTABLE",
                                "take unevictable folios (vm.compact_unevictable_allowed)"),
        "gfp_fs": ("__GFP_FS", "without it only anonymous folios are taken")}
_BITS = {"as_unevictable": AS_UNEVICTABLE, "unmovable": AS_UNMOVABLE}
_MOST = 999                         # references, page-table entries


class FolioLab(View):
    """A folio, with all that isolate_folio() asks of it: `box` is displayed, `set()` drives it in code.

    `kernels` are offered, and `kernel`, which decides first.
    """

    def __init__(self, kind: str = "guest_memfd", kernel: ModuleType = after, mode: Mode = Mode(), *,
                 kernels: Iterable[ModuleType] = (before, after)):
        self.kernels = {name_of(one): one for one in map(check_kernel, (*kernels, kernel))}
        self.guard = Guard()
        self.result, self.patch, self.tree = (ipywidgets.HTML() for _ in range(3))
        self.source = ipywidgets.HTML(layout=growing("500px"))
        bits = dict(zip(MODE, map(bool, check_mode(mode)), strict=True))
        self.settings = Settings(self.guard, _declared(tuple(self.kernels)), self._make, self.render,
                                 start={"kind": kind, **bits, "kernel": name_of(kernel)}, brings=_brought)
        self._make_buttons()
        self.box = Box(self._layout(), describe=self.describe, picture=self._picture, max_width="1200px")
        with self.guard:
            self.render()

    @property
    def state(self) -> dict:
        """Every setting by name: what the folio, its mapping, the mode and the kernel are made from."""
        return dict(self.settings.values)

    @property
    def verdict(self) -> Verdict:
        """What the chosen kernel decides on the folio as it is now."""
        return decide(self.folio, self.kernel, self.mode).verdict

    def set(self, **settings) -> None:
        """Change settings as one event, the kind first: `set(kind="ramfs", unmovable=True)`."""
        self.settings.set(settings)

    def undo(self) -> None:
        """Take the last change of settings back."""
        self.settings.undo()

    def describe(self) -> str:
        """Settings, verdict, the patch and the branch taken, as text that is the same in every run."""
        state, mapping, (chosen, old, new, _, way) = self.state, self.folio.mapping, self._decided()
        flags = " ".join(words.partition(":")[0] for name, (words, _) in FLAGS.items() if state[name])
        bits = " ".join(words for name, (words, _) in MODE.items() if state[name])
        mapped = state["mapping"]
        if mapping:
            has = "migrate_folio" if state["migrate_folio"] else "no migrate_folio"
            mapped += f": {' '.join(flag_names(mapping.flags)) or 'no flag'}, {has}"
        lines = [f"folio    started from {state['kind']}: {flags or 'no flag'}, "
                 f"refcount {state['refcount']}, mapcount {state['mapcount']}", f"mapping  {mapped}",
                 f"mode     {bits or 'no bit'}",
                 f"kernel   {state['kernel']}", f"verdict  {chosen.verdict.label}: {chosen.ending}",
                 f"before   {old.verdict.label}: {old.ending}", f"after    {new.verdict.label}: {new.ending}",
                 f"patch    {patch(old, new)}", f"taken    {way_text(way)}"]
        return "\n".join(lines + self.guard.lines(9))

    def render(self) -> None:
        """Draw everything from the model: controls, verdict, what the patch changes, tree."""
        kernel, (chosen, old, new, grown, way) = name_of(self.kernel), self._decided()
        for control in (*map(self.settings.controls.get, OF_MAPPING), self.set_unmovable):
            control.disabled = self.folio.mapping is None
        self.result.value = result_html(kernel, chosen)
        self.patch.value = (f"<p class='kit-words'><b>What the patch does:</b> {escape(patch(old, new))}.</p>"
                            f"{comparison(compared_rows(old, new))}")
        words = f"<b>The decision of {escape(kernel)} in this mode.</b> &#9654; marks the branch taken"
        self.tree.value = f"<p class='kit-words'>{words}: {escape(way_text(way))}</p>{tree_table(grown, way)}"
        words = "<b>The same in its source.</b> &#9654; marks the lines that asked, with the answers"
        self.source.value = f"<p class='kit-words'>{words}.</p>{source.way_html(chosen.code, chosen.answers)}"
        if chosen.error:
            raise chosen.error

    def _make(self, values: dict, position: None) -> None:
        folio = scenarios.one_folio(values["kind"])
        for name in (*FLAGS, *REFERENCES):
            setattr(folio, name, values[name])
        mapping = next((one for one in folio.zone.mappings[1:] if one.name == values["mapping"]), None)
        if mapping:
            for name, bit in _BITS.items():
                (set_bit if values[name] else clear_bit)(bit, mapping)
            migrate_folio = _migrate_folio(mapping, values["migrate_folio"])
            mapping.a_ops = mapping.a_ops._replace(migrate_folio=migrate_folio)
        folio.mapping, folio.anon = mapping, folio.anon and mapping is None
        self.folio, self.kernel = folio, self.kernels[values["kernel"]]
        self.mode = Mode(*(values[name] for name in MODE))

    def _decided(self) -> tuple[Decided, Decided, Decided, tree.Tree, list]:
        chosen, old, new = (decide(self.folio, kernel, self.mode) for kernel in (self.kernel, before, after))
        try:
            grown = _unfolded(self.kernel.isolate_folio, mode=self.mode)
        except Exception as error:                      # a learner's own path: the strip says so, too
            grown = tree.Leaf(f"no tree: {type(error).__name__}: {error}")
        return chosen, old, new, grown, tree.taken(grown, chosen.trace)

    def _picture(self) -> plots.Picture | None:
        _, _, _, grown, way = self._decided()
        if not isinstance(grown, tree.Node):                # there is no question to draw
            return None
        return plots.decision_tree(grown, way, f"The decision of {name_of(self.kernel)}").picture()

    def _make_buttons(self) -> None:
        button = self.guard.button
        self.set_unmovable = button("mapping_set_unmovable()", "sets both bits",
                                    lambda: self.set(as_unevictable=True, unmovable=True))
        self.set_unmovable.button_style = "primary"
        self.reset_button = button("Reset to kind", "folio and mapping as they started",
                                   lambda: self.set(kind=self.settings.values["kind"]))

    def _layout(self) -> list[ipywidgets.Widget]:
        def group(words: str, width: str, *shown) -> ipywidgets.VBox:
            parts = [self.settings.controls[one] if isinstance(one, str) else one for one in shown]
            return ipywidgets.VBox([ipywidgets.HTML(f"<b>{words}</b>"), *parts],
                                   layout={"width": width, "margin": "0 12px 0 0"})

        buttons = ipywidgets.HBox([self.settings.undo_button, self.reset_button],
                                  layout={"margin": "24px 0 0 0"})
        groups = wrap(group("folio", "280px", "kind", *FLAGS, *REFERENCES),
                      group("mapping", "310px", "mapping", *OF_MAPPING, self.set_unmovable),
                      group("mode and kernel", "260px", *MODE, "kernel", buttons))
        left = ipywidgets.VBox([self.patch, self.tree], layout=growing("500px"))
        head = title("One folio, one decision", "May compaction take this folio? "
                     "<code>isolate_folio()</code> is the part of <code>isolate_migratepages_block()</code> "
                     "(mm/compaction.c) that looks at one folio.")
        return [head, groups, self.guard.strip, self.result, wrap(left, self.source, gap="0 20px")]


def _declared(kernels: tuple[str, ...]) -> list[Setting]:
    kinds = tuple(kind.name for kind in scenarios.KINDS if not kind.flags & (PG.BUDDY | PG.SLAB))
    mappings = {"none": "none: anonymous, or truncated", **{one.name: one.name for one in a_ops.mappings()}}
    return [choice("kind", "start from", kinds, tooltip="folio and mapping"),
            *(switch(name, *described) for name, described in FLAGS.items()),
            *(count(name, words, 0, _MOST, tooltip=tip) for name, (words, tip) in REFERENCES.items()),
            choice("mapping", "mapping", mappings, tooltip="folio->mapping"),
            *(switch(name, *described) for name, described in (OF_MAPPING | MODE).items()),
            toggles("kernel", "kernel", {name: name for name in kernels},
                    [f"decide as {name} does" for name in kernels], description_width="50px")]


def _brought(values: dict, name: str, value: object) -> dict:
    """What a change brings with it: a kind its whole folio, a mapping its own flags."""
    if name == "kind":
        folio = scenarios.one_folio(value)
        return {**values, "kind": value, **{one: getattr(folio, one) for one in (*FLAGS, *REFERENCES)},
                **_of_mapping(folio.mapping)}
    if name == "mapping":
        return {**values, **_of_mapping(next((one for one in a_ops.mappings() if one.name == value), None))}
    if name in OF_MAPPING and value and values["mapping"] == "none":
        raise ValueError("the folio has no mapping to change: choose one first, "
                         'as in lab.set(mapping="ram_aops")')
    return {**values, name: value}


def _of_mapping(mapping: AddressSpace | None) -> dict:
    """The settings that say which mapping it is, and how it is."""
    return {"mapping": mapping.name if mapping else "none",
            **{name: bool(mapping and mapping.flags >> bit & 1) for name, bit in _BITS.items()},
            "migrate_folio": bool(mapping and mapping.a_ops.migrate_folio is not None)}


def _migrate_folio(mapping: AddressSpace, is_there: bool) -> Result | None:
    """What the a_ops' migrate_folio answers: as it usually does, or success where they usually have none."""
    usual = mapping.a_ops.migrate_folio
    if not is_there:
        return None
    return Result.SUCCESS if usual is None else usual
