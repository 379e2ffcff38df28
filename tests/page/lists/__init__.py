"""Tests of the views that list tasks, projects and imports."""
