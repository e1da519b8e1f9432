"""One folio under the learner's hands: change what the decision asks, and see the verdict, the patch and the branch taken.

The kernel's own path is run on a zone of one page, and the zone is put back: looking changes nothing. Leaves out what
comes before it (free and compound pages) and after it (the LRU lock), and everything that needs a second thread.
"""
import functools
from contextlib import contextmanager
from html import escape
from types import ModuleType

import ipywidgets

from .. import plots, scenarios
from ..concurrency import tree
from ..kernels import after, before, check_kernel, name as name_of, racy
from ..mm import a_ops
from ..mm.folio import PG
from ..mm.mapping import AS_UNEVICTABLE, AS_UNMOVABLE, AddressSpace, clear_bit, flag_names, set_bit
from ..mm.verdict import Mode, Result, Verdict, check_mode
from . import source
from .box import Box, comparison, title, tree_table, way_text
from .decision import Decided, compared_rows, decide, patch, result_html
from .guard import Guard

_unfolded = functools.cache(tree.unfold)

FOLIO_KINDS = tuple(kind.name for kind in scenarios.KINDS if not kind.flags & (PG.BUDDY | PG.SLAB))
MAPPINGS = ("none", *(mapping.name for mapping in a_ops.mappings()))
COUNT_LIMIT = 1000
MODE_FIELD = dict(zip(("async_migrate", "isolate_unevictable", "gfp_fs"), Mode._fields))
BITS = {"as_unevictable": AS_UNEVICTABLE, "unmovable": AS_UNMOVABLE}

# Setting: what its control is called, and the tip on it.
FLAGS = {"lru": ("PG_lru: on an LRU list", "whoever clears it has isolated the folio"),
         "unevictable": ("PG_unevictable: on the unevictable list", "reclaim leaves the folio alone"),
         "dirty": ("PG_dirty: newer than its file", "the folio must be written before it is dropped"),
         "writeback": ("PG_writeback: being written out", "the write is under way"),
         "locked": ("PG_locked: by somebody else", "folio_trylock() will not get the lock")}
FOLIO_COUNTS = {"refcount": ("reference count", "references held before compaction takes its own"),
          "mapcount": ("page-table entries", "how often the folio is mapped")}
OF_MAPPING = {"as_unevictable": (f"AS_UNEVICTABLE: bit {AS_UNEVICTABLE}", "the raw bit of mapping->flags"),
              "unmovable": (f"AS_UNMOVABLE: bit {AS_UNMOVABLE}", "the raw bit of mapping->flags"),
              "migrate_folio": ("a_ops has migrate_folio", "which may still refuse")}
MODE = {"async_migrate": ("ISOLATE_ASYNC_MIGRATE", "refuse writeback, and dirty without migrate_folio"),
        "isolate_unevictable": ("ISOLATE_UNEVICTABLE", "take unevictable folios (vm.compact_unevictable_allowed)"),
        "gfp_fs": ("__GFP_FS", "without it only anonymous folios are taken")}
_SWITCHES = FLAGS | OF_MAPPING | MODE
_LEGAL = {"kind": FOLIO_KINDS, **dict.fromkeys(FLAGS, (False, True)), **dict.fromkeys(FOLIO_COUNTS, range(COUNT_LIMIT)),
         "mapping": MAPPINGS, **dict.fromkeys((*OF_MAPPING, *MODE), (False, True))}
_TITLE = title("One folio, one decision", "May compaction take this folio? <code>isolate_folio()</code> is the part of "
              "<code>isolate_migratepages_block()</code> (mm/compaction.c) that looks at one folio.", source.SOURCE_STYLE)


class FolioLab:
    """One folio with a control for everything that isolate_folio() asks; `box` is displayed, `set()` drives it in code."""

    def __init__(self, kind: str = "guest_memfd", kernel: ModuleType = after, mode: Mode = Mode()):
        self.kernels = {name_of(one): one for one in (before, racy, after, check_kernel(kernel))}
        self.legal = _LEGAL | {"kernel": tuple(self.kernels)}
        self.history: list[tuple] = []                  # one event each: the (setting, value) pairs that it changed
        self._event: list[tuple] | None = None          # the event under way
        self._check({"kind": kind})
        self._start = kind, kernel, check_mode(mode)
        self._replay()
        self.guard = Guard()
        self.result, self.patch, self.tree = (ipywidgets.HTML() for _ in range(3))
        self.source = ipywidgets.HTML(layout={"flex": "1 1 500px", "min_width": "0"})
        self._make_controls()
        self.box = Box(self._layout(), describe=self.describe, picture=self._picture, layout={"max_width": "1200px"})
        with self.guard:
            self.render()

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return self.box._repr_mimebundle_(**kwargs)

    @property
    def state(self) -> dict:
        """Every setting by name, as the folio, its mapping, the mode and the kernel have it now."""
        folio, mapping = self.folio, self.folio.mapping
        return {"kind": self.kind, **{name: getattr(folio, name) for name in (*FLAGS, *FOLIO_COUNTS)},
                "mapping": mapping.name if mapping else "none",
                **{name: bool(mapping and mapping.flags >> bit & 1) for name, bit in BITS.items()},
                "migrate_folio": bool(mapping and mapping.a_ops.migrate_folio is not None),
                **{name: getattr(self.mode, field) for name, field in MODE_FIELD.items()}, "kernel": name_of(self.kernel)}

    @property
    def verdict(self) -> Verdict:
        """What the chosen kernel decides on the folio as it is now."""
        return decide(self.folio, self.kernel, self.mode).verdict

    def set(self, **settings) -> None:
        """Change settings as one event, the kind first: `set(kind="ramfs", unmovable=True, kernel="before")`."""
        self._check(settings)
        with self.guard.aloud(), self._one_event():
            if settings.get("kind") == self.kind:       # no news to the control, and yet a fresh folio
                self._change("kind", self.kind)
            for name in filter(settings.__contains__, self.legal):
                self.controls[name].value = settings[name]

    def undo(self) -> None:
        """One event back: all the others are played again from the start."""
        with self.guard.aloud():
            self.history = self.history[:-1]
            self._replay()
            self.render()

    def describe(self) -> str:
        """Settings, verdict, what the patch changes and the branch taken, as text that is the same in every run."""
        state, mapping, (chosen, old, new, _, way) = self.state, self.folio.mapping, self._seen()
        said = " ".join(words.partition(":")[0] for name, (words, _) in FLAGS.items() if state[name]) or "no flag"
        bits = f": {' '.join(flag_names(mapping.flags)) or 'no flag'}, " if mapping else ""
        has = ("migrate_folio" if state["migrate_folio"] else "no migrate_folio") if mapping else ""
        lines = [f"folio    started from {self.kind}: {said}, refcount {state['refcount']}, mapcount {state['mapcount']}",
                 f"mapping  {state['mapping']}{bits}{has}",
                 f"mode     {' '.join(words for name, (words, _) in MODE.items() if state[name]) or 'no bit'}",
                 f"kernel   {state['kernel']}", f"verdict  {chosen.verdict.label}: {chosen.ending}",
                 f"before   {old.verdict.label}: {old.ending}", f"after    {new.verdict.label}: {new.ending}",
                 f"patch    {patch(old, new)}", f"taken    {way_text(way)}"]
        return "\n".join(lines + [f"error    {self.guard.message}"] * bool(self.guard.message))

    def render(self) -> None:
        """Draw everything from the model: controls, verdict, what the patch changes, tree."""
        self._follow()
        kernel, (chosen, old, new, grown, way) = name_of(self.kernel), self._seen()
        self.result.value = result_html(kernel, chosen)
        self.patch.value = (f"<p class='kit-words'><b>What the patch does:</b> {escape(patch(old, new))}.</p>"
                            f"{comparison(compared_rows(old, new))}")
        self.tree.value = (f"<p class='kit-words'><b>The decision of {escape(kernel)} in this mode.</b> &#9654; marks the "
                           f"branch taken: {escape(way_text(way))}</p>{tree_table(grown, way)}")
        self.source.value = (f"<p class='kit-words'><b>The same in its source.</b> &#9654; marks the lines that asked, with the "
                             f"answers.</p>{source.way_html(chosen.code, chosen.answers)}")
        if chosen.error:
            raise chosen.error

    def _seen(self) -> tuple[Decided, Decided, Decided, tree.Tree, list]:
        chosen, old, new = (decide(self.folio, kernel, self.mode) for kernel in (self.kernel, before, after))
        try:
            grown = _unfolded(self.kernel.isolate_folio, mode=self.mode)
        except Exception as error:                          # a learner's own path: the strip says so, and there is no tree
            grown = tree.Leaf(f"no tree: {type(error).__name__}: {error}")
        return chosen, old, new, grown, tree.taken(grown, chosen.trace)

    def _picture(self) -> plots.Picture | None:
        _, _, _, grown, way = self._seen()
        if isinstance(grown, tree.Node):                # else there is no question to draw
            return plots.decision_tree(grown, way, f"The decision of {name_of(self.kernel)}").picture()

    def _check(self, settings: dict) -> None:
        for name, value in settings.items():
            if name not in self.legal:
                raise TypeError(f"no setting is called {name!r}: write one of {', '.join(self.legal)}")
            legal = self.legal[name]
            if value not in legal or type(value) is not type(legal[0]):
                options = f"{legal[0]} to {legal[-1]}" if isinstance(legal, range) else ", ".join(map(repr, legal))
                raise ValueError(f"{name}={value!r} is no such setting: write one of {options}")

    def _heard(self, name: str, change: dict) -> None:
        if self.state[name] != change["new"]:           # otherwise the control has only followed the model
            self._change(name, change["new"])

    def _change(self, name: str, value: object) -> None:
        with self._one_event():
            self._act(name, value)
            self._event.append((name, value))
            self._follow()

    @contextmanager
    def _one_event(self):
        """What happens inside is one event: one entry of the history, one picture, all or nothing."""
        if self._event is not None:
            yield
            return
        self._event = []
        try:
            yield
            self.history += [tuple(self._event)] if self._event else []
        except Exception:
            self._replay()
            self._follow()
            raise
        finally:
            self._event = None
        self.render()

    def _replay(self) -> None:
        kind, self.kernel, self.mode = self._start
        for name, value in (("kind", kind), *(change for event in self.history for change in event)):
            self._act(name, value)

    def _act(self, name: str, value: object) -> None:
        folio = getattr(self, "folio", None)
        if name == "kind":
            self.kind, self.folio = value, scenarios.one_folio(value)
        elif name in MODE:
            self.mode = self.mode._replace(**{MODE_FIELD[name]: value})
        elif name == "kernel":
            self.kernel = self.kernels[value]
        elif name == "mapping":
            folio.mapping = next((one for one in folio.zone.mappings[1:] if one.name == value), None)
            folio.anon = folio.anon and folio.mapping is None
        elif name in OF_MAPPING:
            _act_on_mapping(folio.mapping, name, value)
        else:
            setattr(folio, name, value)

    def _follow(self) -> None:
        for name, value in self.state.items():
            self.controls[name].value = value
        for control in (*map(self.controls.get, OF_MAPPING), self.set_unmovable):
            control.disabled = self.folio.mapping is None
        self.undo_button.disabled = not self.history

    def _make_controls(self) -> None:
        wide = {"layout": {"width": "auto"}, "style": {"description_width": "initial"}}
        mappings = [("none: anonymous, or truncated", "none"), *((one, one) for one in MAPPINGS[1:])]
        controls = {
            "kind": ipywidgets.Dropdown(options=FOLIO_KINDS, description="start from", tooltip="folio and mapping", **wide),
            "mapping": ipywidgets.Dropdown(options=mappings, description="mapping", tooltip="folio->mapping", **wide),
            "kernel": ipywidgets.ToggleButtons(
                options=list(self.kernels), tooltips=[f"decide as {one} does" for one in self.kernels], description="kernel",
                style={"button_width": "auto", "description_width": "50px"})}
        for name, (words, tip) in FOLIO_COUNTS.items():
            controls[name] = ipywidgets.BoundedIntText(min=0, max=COUNT_LIMIT - 1, description=words, tooltip=tip, **wide)
        for name, (words, tip) in _SWITCHES.items():
            controls[name] = ipywidgets.Checkbox(description=words, tooltip=tip, indent=False, layout={"width": "auto"})
        self.controls = {name: controls[name] for name in self.legal}
        for name, control in self.controls.items():
            control.value = self.state[name]
            control.observe(self.guard(functools.partial(self._heard, name)), "value")
        button = self.guard.button
        both = {"as_unevictable": True, "unmovable": True}
        self.set_unmovable = button("mapping_set_unmovable()", "sets both bits", lambda: self.set(**both))
        self.set_unmovable.button_style = "primary"
        self.undo_button = button("Undo", "one change back", self.undo)
        self.reset_button = button("Reset to kind", "folio and mapping as they started", lambda: self.set(kind=self.kind))

    def _layout(self) -> list[ipywidgets.Widget]:
        def group(words: str, width: str, *shown) -> ipywidgets.VBox:
            head = ipywidgets.HTML(f"<b>{words}</b>")
            return ipywidgets.VBox([head, *shown], layout={"width": width, "margin": "0 12px 0 0"})

        buttons = ipywidgets.HBox([self.undo_button, self.reset_button], layout={"margin": "24px 0 0 0"})
        groups = [group("folio", "280px", self.controls["kind"], *map(self.controls.get, (*FLAGS, *FOLIO_COUNTS))),
                  group("mapping", "310px", self.controls["mapping"], *map(self.controls.get, OF_MAPPING), self.set_unmovable),
                  group("mode and kernel", "260px", *map(self.controls.get, MODE), self.controls["kernel"], buttons)]
        left = ipywidgets.VBox([self.patch, self.tree], layout={"flex": "1 1 500px", "min_width": "0"})
        below = ipywidgets.HBox([left, self.source], layout={"flex_flow": "row wrap", "grid_gap": "0 20px"})
        return [ipywidgets.HTML(_TITLE), ipywidgets.HBox(groups, layout={"flex_flow": "row wrap"}), self.guard.strip,
                self.result, below]


def _act_on_mapping(mapping: AddressSpace | None, name: str, value: bool) -> None:
    if mapping is None:
        raise ValueError('the folio has no mapping to change: choose one first, as in lab.set(mapping="ram_aops")')
    if name in BITS:
        (set_bit if value else clear_bit)(BITS[name], mapping)
    else:
        usual = next(one.a_ops.migrate_folio for one in a_ops.mappings() if one.name == mapping.name)
        there = Result.SUCCESS if usual is None else usual
        mapping.a_ops = mapping.a_ops._replace(migrate_folio=there if value else None)
