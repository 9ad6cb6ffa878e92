# SPDX-License-Identifier: MIT
"""What the tests of the whole daemon share."""
import os
import pathlib
import shutil
import tempfile

import pytest

import daemon as daemon_module
from pki import Authority

# Daemons that outlive a test are looked at after each one.
_lasting = []


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(90))


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A CA that lives as long as the test run."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def leaf(authority):
    """Key and certificate for localhost, 127.0.0.1 and ::1."""
    return authority.issue()


@pytest.fixture(scope="session")
def tls(authority):
    """What a client needs to trust `leaf`."""
    return authority.client()


def _finish(daemons):
    errors = []
    for one in daemons:
        try:
            one.finish()
        except Exception as error:  # the others are looked at all the same
            errors.append(error)
    if errors:
        raise errors[0]


def _factory(folder, leaf, made):
    def make(sections=None, start=True, tcp=False, **more):
        home = pathlib.Path(tempfile.mkdtemp(prefix="d", dir=folder))
        one = daemon_module.Daemon(home, None if tcp else leaf, sections,
                                   **more)
        made.append(one)
        return one.start() if start else one
    return make


@pytest.fixture
def wssd(tmp_path, leaf):
    """wssd(SECTIONS) is a running Daemon, stopped and judged afterwards.
    tcp=True: no TLS; start=False: not yet started."""
    made = []
    yield _factory(tmp_path, leaf, made)
    _finish(made)


@pytest.fixture(scope="module")
def wssd_module(tmp_path_factory, leaf):
    """As wssd, for all tests of a file."""
    made = []
    _lasting.append(made)
    yield _factory(tmp_path_factory.mktemp("module"), leaf, made)
    _lasting.remove(made)
    _finish(made)


@pytest.fixture(autouse=True)
def _lasting_ones_are_well():
    yield
    for made in _lasting:
        for one in made:
            one.check()


@pytest.fixture
def open_folder():
    """A folder that every user can enter, with copies of the programs."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wssd-test-"))
    folder.chmod(0o755)
    shutil.copytree(daemon_module.bin_dir(), folder / "bin",
                    ignore=lambda _, names: [
                        n for n in names if n not in
                        ("wssd", "wssctl", "wssd-worker", "wssd-signer",
                         "wssd-tool")])
    (folder / "bin").chmod(0o755)
    yield folder
    shutil.rmtree(folder)
