"""The report: a run folder becomes one page, or stands beside another."""

from sightline.report.compare import Comparison, compare
from sightline.report.page import render, write_report

__all__ = ["Comparison", "compare", "render", "write_report"]
