"""A grid on a Ray cluster of two nodes that loses one ends in the table of a run on this machine."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from lethe.methods.exact.sisa import Sisa
from lethe.models import fingerprint
from lethe.pool import Local, Ray
from tests.grid.test_grid import grid, values
from tests.methods.exact.test_sisa import BASE, DIGITS, TASK

pytestmark = [
    pytest.mark.slow,
    # Ray's own processes outlive the sockets it opened to them.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning", "ignore::UserWarning"),
]


@pytest.fixture
def cluster():
    ray = pytest.importorskip("ray", reason="needs the extra lethe[ray]")
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield found
    ray.shutdown()
    found.shutdown()


def test_a_lost_node_changes_nothing(cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    out = tmp_path / "ray"

    def lose() -> None:
        deadline = time.monotonic() + 120
        while not list(out.rglob("cell.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.remove_node(node)

    losing = threading.Thread(target=lose)
    losing.start()
    table = grid(out, pool=Ray(cluster.address))()
    losing.join()
    pd.testing.assert_frame_equal(values(table), values(grid(tmp_path / "local")()))


def test_shards_trained_on_a_cluster_have_the_same_bits(cluster) -> None:
    system = Sisa(shards=3, epochs=1, batch_size=8)
    far, near = (system.fit(BASE, TASK, DIGITS, pool=pool) for pool in (Ray(cluster.address), Local()))
    assert fingerprint(far.model()) == fingerprint(near.model())
