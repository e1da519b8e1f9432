"""Checks of the exercises, a module each: `from kitlib.check import ex05 as check`.

A check tells what was tried, what came out, and what to look at. Nothing is hidden in it.
Reading order: report (what a check says, and how a learner's code is run), then ex02, the plainest check.
"""
from ..kernels import made_of
from . import (ex01_twenty_folios as ex01, ex02_set_the_flag as ex02, ex03_in_the_right_order as ex03,
               ex04_the_backstop as ex04, ex05_why_cma_fails as ex05, ex06_break_it as ex06,
               ex07_lock_before_you_look as ex07, ex08_trylock_or_lock as ex08, ex09_nr_scanned as ex09,
               ex10_what_the_patch_saves as ex10, ex11_read_a_trace as ex11, ex12_split_the_flag as ex12)
from .report import Finding, Report
from .yielded_steps import PRIMITIVES, steps_not_yielded

__all__ = ["PRIMITIVES", "Finding", "Report", "ex01", "ex02", "ex03", "ex04", "ex05", "ex06", "ex07", "ex08",
           "ex09", "ex10", "ex11", "ex12", "made_of", "steps_not_yielded"]
