"""The kit's own functions, handed in where an exercise asks for code: points for each of its tasks.

Whose exercise it is makes no difference: these two are the same for every learner.
"""
import kitlib as kl
from kitlib import check
from kitlib.mm.mapping import mapping_set_unmovable, mapping_unmovable

BOUND = 10                      # of the 60 points that checks give: what may be had without understanding


def lock_before_you_look(learner=""):
    """Exercise 07: the best of the kernels that come with the kit."""
    ready = (kl.after, kl.before, kl.blocking, kl.cached, kl.after_unlock, kl.no_null_check, kl.racy)
    yield max(check.ex07.lock_before_you_look(kernel.isolate_folio).points(6) for kernel in ready)


def split_the_flag(learner=""):
    """Exercise 12: the merged patch, whole."""
    yield check.ex12.two_setters(mapping_set_unmovable, mapping_set_unmovable).points(1)
    yield check.ex12.inaccessible_step(mapping_unmovable).points(1)
    yield check.ex12.split_kernel(kl.after).points(4)
    yield check.ex12.partial_truncation(kl.after).points(2)
