"""Pictures: memory maps (Pillow), decision trees, curves and races (matplotlib, without pyplot), each with a text of what it shows.

Reading order: states, picture, maps, flow, curves, runs, looks, film, progress, lanes, races, stategraph. Leaves out what
moves: that is the widgets' part.
"""
from .curves import curve, describe_curve
from .film import COUNTERS, Film, film_recording, film_zone
from .flow import Chart, decision_tree, describe_tree
from .lanes import describe_lanes, swim_lanes
from .maps import compare_maps, memory_map
from .picture import Picture
from .progress import FilmChart, sentence
from .races import describe_progress, progress_graph
from .runs import compare_scanners, describe_compared, describe_scanners, scanners
from .stategraph import describe_states, state_graph
from .states import DARK, LIGHT, MARKS, STATES, check_states, describe, page_states
