"""A question answered by several trainings: the plan, its runs, the table of what came out."""
