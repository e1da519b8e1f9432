"""Pictures: memory maps (Pillow), decision trees and curves (matplotlib, without pyplot), each with a text of what it shows.

Reading order: states, picture, maps, flow, curves, runs. Leaves out what moves: that is the widgets' part.
"""
from .curves import curve, describe_curve
from .flow import Chart, decision_tree, describe_tree
from .maps import compare_maps, memory_map
from .picture import Picture
from .runs import compare_scanners, describe_compared, describe_scanners, scanners
from .states import DARK, LIGHT, MARKS, STATES, describe, page_states
