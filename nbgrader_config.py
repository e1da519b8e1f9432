"""For nbgrader, in the course's folder: what a student finds where a solution was (kitlib.publish reads it, too)."""
c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "as-unmovable"
c.ClearSolutions.code_stub = {"python": "# Your answer here."}
c.ClearSolutions.text_stub = "*Your answer here.*"
