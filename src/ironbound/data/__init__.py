"""Problems to certify: built-in tasks, and the types that a user's own data end in."""

from ironbound.data.problem import Certifier, Example, Problem
from ironbound.data.tasks import load_task, task_description, task_names

__all__ = ["Certifier", "Example", "Problem", "load_task", "task_description", "task_names"]
