"""How tests are handed to workers (tests/conftest.py)."""

import pytest


def test_what_shares_docker_hosts_goes_to_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells the groups apart by the node ids; where it cannot, each worker starts hosts."""
    grouped = {
        item.nodeid: str(mark.args[0])
        for item in request.session.items
        if (mark := item.get_closest_marker("xdist_group"))
    }
    if request.config.getoption("loadgroup", default=False):  # a worker of `make test`
        assert [id for id, group in grouped.items() if not id.endswith(f"@{group}")] == []
