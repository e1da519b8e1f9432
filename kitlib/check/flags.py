"""Flags by their names: those that a setter leaves in a mapping, and a folio as a table's row shows it."""
from collections.abc import Callable

from ..mm.folio import Folio
from ..mm.mapping import AddressSpace, flag_names

PAGE_FLAGS = ("lru", "unevictable", "mlocked", "dirty", "writeback", "locked", "private")


def flags_after(setter: Callable, mapping: AddressSpace) -> int | None:
    """The mapping's flags when the setter has been called, None where they are no number."""
    setter(mapping)
    return mapping.flags if isinstance(mapping.flags, int) else None


def flags_set(flags: int, names: tuple[str, ...]) -> list[str]:
    """The names of the flags that are set, "bit 12" for what has no name."""
    return [names[bit] if bit < len(names) else f"bit {bit}" for bit in range(64) if flags >> bit & 1]


def row_of(folio: Folio) -> dict[str, object]:
    """What can be seen of a folio, as a row: its page flags, its counts, and its mapping."""
    row = {"PG_": " ".join(name for name in PAGE_FLAGS if getattr(folio, name)),
           "refcount": folio.refcount, "mapcount": folio.mapcount}
    mapping = folio.mapping
    if not mapping:
        return row | {"mapping": "NULL", "AS_": "", "migrate_folio": ""}
    return row | {"mapping": mapping.name,
                  "AS_": " ".join(name.removeprefix("AS_") for name in flag_names(mapping.flags)),
                  "migrate_folio": "no" if mapping.a_ops.migrate_folio is None else "yes"}
