"""Training and publishing by a job; against a Hub, in test_publish.py."""

from types import SimpleNamespace

import pytest

from examples import hub_job


@pytest.mark.parametrize(("statuses", "status"), [([1, 1, 0], 0), ([0], 0), ([1, 1, 1], 1)])
def test_publishing_is_tried_again(monkeypatch, statuses, status):
    left = list(statuses)
    monkeypatch.setattr(hub_job, "WAIT", 0)
    monkeypatch.setattr(hub_job.subprocess, "run", lambda command: SimpleNamespace(returncode=left.pop(0)))
    assert hub_job.published(["publish"]) == status and not left
