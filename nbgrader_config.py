"""For nbgrader, in the course's folder: what a student finds where a solution was.

kitlib.course.publish reads it, too.
"""
from nbgrader import preprocessors

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "as-unmovable"
c.ClearSolutions.code_stub = {"python": "# Your answer here."}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.Execute.timeout = 60          # seconds a cell: for what no check can end


class DeduplicateIds(preprocessors.DeduplicateIds):
    """A cell that a student has copied or split.

    nbgrader leaves the copy an empty mark, and then refuses it as too old.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        """Leave a copy without a mark: it runs, and is not marked."""
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        if cell.metadata.get("nbgrader") == {}:
            del cell.metadata["nbgrader"]
        return cell, resources


c.Autograde.sanitize_preprocessors = [preprocessors.ClearOutput, DeduplicateIds,
                                      preprocessors.OverwriteKernelspec, preprocessors.OverwriteCells,
                                      preprocessors.CheckCellMetadata]
