#!/bin/sh
# With pytest 9.2.0, `@pytest.mark.xdist_group` of pytest-xdist 3.8.0 has no effect, and nothing says so.
#
# Seen on 2026-12-01 with Python 3.11. `--dist loadgroup` promises one worker to all tests of a group. Each worker tells
# a group by a suffix that it writes to a private attribute of the test, from which pytest up to 9.1 read the node id.
# pytest 9.2 keeps the id elsewhere: the suffix is lost, and tests of one group are spread over the workers, with exit
# code 0. With pytest 9.1.1 they stay together. Ends with 1 as soon as either changes.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >test_groups.py <<'PY'
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_of_the_group(number):
    pass
PY

ids() { # the node ids that the workers ran, under this pytest
    python3 -m venv "venv-$1"
    "venv-$1/bin/pip" install --quiet --disable-pip-version-check "pytest==$1" pytest-xdist==3.8.0
    "venv-$1/bin/python" -m pytest -p no:cacheprovider -v -n 2 --dist loadgroup test_groups.py | grep PASSED
}
workers() { grep -o '\[gw[0-9]*\]' "$1" | sort -u | wc -l; }

ids 9.1.1 >together
ids 9.2.0 >apart
cat together apart
[ "$(grep -c '@one' together)" = 8 ] && [ "$(workers together)" = 1 ]
[ "$(grep -c '@one' apart)" = 0 ] && [ "$(workers apart)" = 2 ]
echo 'as it was: with pytest 9.2.0 a group is spread over the workers'
