"""The numbers as Prometheus gets them, and the files in etc/ that use them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from twisted_mail.monitoring import METRICS

ETC = Path(__file__).parent.parent / "etc"
ALERTS, DASHBOARD = ETC / "prometheus-alerts.yml", ETC / "grafana-dashboard.json"


def used_in(text: str) -> set[str]:
    """Names of metrics, without what a histogram adds to them."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bmailserver_[a-z0-9_]+", text)}


class FilesTests(TestCase):
    def test_alerts_and_dashboard_use_metrics_that_exist(self) -> None:
        names = {metric.name for metric in METRICS}
        for path in (ALERTS, DASHBOARD):
            self.assertEqual(set(), used_in(path.read_text()) - names, path.name)

    def test_the_dashboard_shows_every_metric_but_the_start(self) -> None:
        names = {metric.name for metric in METRICS} - {"mailserver_start_time_seconds"}
        self.assertEqual(names, used_in(DASHBOARD.read_text()))

    def test_labels_that_are_named_exist(self) -> None:
        labels = {label for metric in METRICS for label in metric.labels} | {"le"}
        board = json.loads(DASHBOARD.read_text())
        queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        self.assertGreater(len(queries), 20)
        for query in queries:
            for names in re.findall(r"by \(([^)]*)\)", query):
                self.assertLessEqual(set(names.split(", ")), labels, query)

    def test_promtool_takes_the_alerts(self) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            raise SkipTest("promtool is not there (Debian package prometheus)")
        done = subprocess.run([promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
