"""The report: what it says, and that it needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from experiment_jobs import context_of, fail, finish, question_of, scans_in

from coranet_experiments.plan import plan_runs
from coranet_experiments.report import write_report
from coranet_experiments.results import by_method, read_results
from coranet_experiments.runner import Task, run_tasks

VOID = {"meta", "img", "wbr"}


class Page(HTMLParser):
    """Text by kind of element; fails where an element is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes) -> None:
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag, attributes) -> None:
        pass

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def report_of(tmp_path, start=finish, **changes) -> tuple[str, Page]:
    datalist = scans_in(tmp_path / "scans")
    settings = {"methods": "supervised,coranet,fully_supervised", "truth": str(tmp_path / "scans" / "truth"), **changes}
    runs = plan_runs(question_of(datalist, tmp_path / "out", **settings))
    failed = {
        run_task.name
        for run_task in run_tasks([Task(run.name, run.training()) for run in runs], 1, context_of(start, []))
    }
    run_tasks([Task(run.name, run.test()) for run in runs if run.name not in failed], 1, context_of(finish, []))
    results = read_results(runs)
    path = tmp_path / "report ü.html"
    write_report(path, results, by_method(results), "coranet experiment <list> & more")
    html = path.read_text(encoding="utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def a_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    overrides = {"data.validation_cases": "1"}
    return report_of(folder, seeds=[0, 1], labeled=[3, None], overrides=overrides, compare_uncertainties=True)


def test_it_needs_nothing_but_itself(a_report):
    html, page = a_report
    assert page.addresses and all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not re.search(r"https?://|url\(|<script|@import", html)
    assert '<meta charset="utf-8">' in html and "Läsion" in html


def test_it_says_what_was_run(a_report):
    _, page = a_report
    facts = dict(zip(page.texts["dt"], page.texts["dd"], strict=True))
    assert facts["command"] == "coranet experiment <list> & more"
    assert facts["preset"] == "quick, 900 steps (300 of them on labeled cases alone)"
    assert (facts["seeds"], facts["device"], facts["CoraNet"]) == ("0, 1", "CPU (1 thread)", "0.1")
    assert facts["cases"] == "3 / 5 labeled; 1 for validation; 3 unlabeled; 4 test"


def test_the_table_holds_the_figures_of_the_methods(a_report):
    _, page = a_report
    head, supervised, coranet, bound = page.rows[:4]
    assert head[:5] == ["method", "mean Dice", "organ", "Läsion", "HD95, mm"]
    assert [row[0] for row in (supervised, coranet, bound)] == ["supervised", "coranet", "fully_supervised"]
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3}", coranet[1])
    gain, closed = head.index("gain over supervised"), head.index("distance closed")
    assert coranet[gain] == "+0.060 [+0.060, +0.060]" and supervised[gain] == "-"
    assert (supervised[closed], bound[closed]) == ("0 %", "100 %")
    assert coranet[head.index("training")] == "2 min"


def test_the_best_method_that_knows_no_further_labels_is_set_off(a_report):
    html, _ = a_report
    assert re.findall(r"<tr class=best><td>(\w+)", html) == ["coranet", "coranet"]


def test_every_part_is_there(a_report):
    _, page = a_report
    assert page.texts["h2"] == [
        "Results with 3 labeled cases", "Results", "Dice by case", "Label efficiency", "Where the errors are",
        "Training", "The uncertain region through training", "What else was told",
    ]  # fmt: skip
    assert len(page.addresses) == 2 * 6
    assert "step 900, " in "".join(page.texts["div"])
    assert any("Warnings" in text for text in page.texts["p"])


def test_other_uncertainties_are_told_of_coranet_alone(a_report):
    _, page = a_report
    assert [text for text in page.texts["h3"] if "uncertainties" in text] == [
        "Other uncertainties of coranet, 3 labeled cases", "Other uncertainties of coranet, all labeled cases",
    ]  # fmt: skip
    assert ["softmax_0.7", "0.300", "60.0 %", "2.0 %", "-"] in page.rows


def test_one_seed_and_one_number_of_labels_make_a_shorter_report(tmp_path):
    _, page = report_of(tmp_path, methods="coranet")
    assert "Label efficiency" not in page.texts["h2"]
    assert "±" not in "".join(page.rows[1])
    assert not any("uncertainties" in text for text in page.texts["h3"])


def test_runs_that_failed_are_named(tmp_path):
    def start(job, resume):
        return fail(job) if "coranet" in str(job.folder) else finish(job)

    _, page = report_of(tmp_path, start)
    assert [row[0] for row in page.rows[1:]] == ["supervised", "fully_supervised"]
    assert "coranet, seed 0" in page.texts["li"]


def test_with_nothing_finished_it_is_still_a_report(tmp_path):
    _, page = report_of(tmp_path, fail)
    assert page.rows == [] and len(page.texts["li"]) == 3
