"""The report: a run folder becomes one page, or stands beside another; figures of the theory become files."""

from sightline.report import figures
from sightline.report.compare import Comparison, compare
from sightline.report.compare_page import compare_page, write_comparison
from sightline.report.diagnosis_page import diagnosis_page, write_diagnosis
from sightline.report.figure_page import page_of_figures
from sightline.report.page import render, write_report
from sightline.report.save_figure import save_figure
from sightline.report.vega import Figure

__all__ = [
    "Comparison",
    "Figure",
    "compare",
    "compare_page",
    "diagnosis_page",
    "figures",
    "page_of_figures",
    "render",
    "save_figure",
    "write_comparison",
    "write_diagnosis",
    "write_report",
]
