"""The notebooks as a course: which exercises hold, and how everything is published."""
