"""What script/lighthouse does with a run of Lighthouse that has measured nothing."""

import importlib
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "script"
GOOD = '{"categories": {"performance": {"score": 0.97}, "accessibility": {"score": 1}, "best-practices": {"score": 1},\
 "seo": {"score": 1}}, "audits": {"speed-index": {"score": 1}}}'
MISSED = '{"categories": {"performance": {"score": null}}, "audits": {"speed-index": {"errorMessage":\
 "Something went wrong with recording the trace over your page load. (NO_NAVSTART)"}}}'

pytestmark = pytest.mark.postgresql  # it needs no database; once is enough


@pytest.fixture
def look(monkeypatch, tmp_path):
    """``look(*reports)``: the scores, when each run of Lighthouse leaves the next of ``reports``, "" for none."""
    monkeypatch.syspath_prepend(SCRIPT)
    lighthouse = importlib.import_module("lighthouse")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def run(*reports):
        for number, text in enumerate(reports):
            (tmp_path / f"answer-{number}").write_text(text)
        node = tmp_path / "node"
        node.write_text(f"#!/bin/sh\ncd {tmp_path}\nset -- answer-*\n[ -s $1 ] && mv $1 report.json\n")
        node.chmod(0o755)
        return lighthouse._scores(tmp_path, "chromium", "http://127.0.0.1/", "mobile", tmp_path / "report.json")

    run.refusal = lighthouse.Refusal
    return run


def test_it_works(look):
    scores = look(GOOD)
    assert scores == {"performance": 97, "accessibility": 100, "best-practices": 100, "seo": 100}


def test_a_run_that_missed_the_start_is_made_again(look):
    assert look(MISSED, MISSED, GOOD)["performance"] == 97


def test_not_for_ever(look):
    with pytest.raises(look.refusal, match="3 times in a row"):
        look(MISSED, MISSED, MISSED)


def test_no_report_is_another_matter(look):
    with pytest.raises(look.refusal, match="could not look at"):
        look("")
