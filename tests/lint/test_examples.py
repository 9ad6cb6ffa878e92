# SPDX-License-Identifier: MIT
"""The examples in the documents are tried, not believed."""

import os
import re
import subprocess

import pytest

import tree

BIN = os.environ["WSSD_BIN"]

# Where a document's example has a path of the reader's machine.
FILES = {"local_cert": "cert.pem", "local_pk": "key.pem",
         "module": "hello.so", "root": "www"}

# For which the documents' certificates are.
NAMES = ["localhost", "shop.example", "*.shop.example", "chat.example"]


def examples():
    found = []
    for path in tree.files(".md"):
        blocks = re.findall(r"^```ini\n(.*?)^```", tree.text(path),
                            re.MULTILINE | re.DOTALL)
        found += [pytest.param(block, id=f"{path}-{i}")
                  for i, block in enumerate(blocks, 1)]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a certificate, and the example module built as it is told."""
    made = tmp_path_factory.mktemp("examples")
    (made / "www").mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=" + ",".join(
             f"DNS:{n}" for n in NAMES), "-out", made / "cert.pem", "-keyout",
         made / "key.pem"], check=True, capture_output=True)
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I",
         tree.ROOT / "worker/include", "-o", made / "hello.so",
         tree.ROOT / "docs/examples/hello.c"], check=True)
    return made


def adapt(example, folder):
    """The same, with files and ports that are there."""
    head = f"run_dir = {folder}/run\n"
    if os.geteuid() == 0:
        head += "user = nobody\ngroup = nogroup\n"
    if "[wssd]" in example:
        example = example.replace("[wssd]\n", "[wssd]\n" + head, 1)
    else:
        example = "[wssd]\n" + head + example
    example = example.replace("unix:/run/wssd/", f"unix:{folder}/run/")
    for key, name in FILES.items():
        example = re.sub(rf"^{key}( *)=.*$", rf"{key}\1= {folder}/{name}",
                         example, flags=re.MULTILINE)
    return re.sub(r"^(address *=.*)$",
                  lambda line: re.sub(r":\d+(?=,|$)", ":0", line[1]),
                  example, flags=re.MULTILINE)


def check(text, folder):
    path = folder / "wssd.ini"
    path.write_text(text)
    # A worker in an empty root has no /proc, which the search for leaks needs.
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    return subprocess.run([f"{BIN}/wssd", "--check", "-c", path], env=env,
                          capture_output=True, text=True, check=False)


@pytest.mark.parametrize("example", examples())
def test_config_in_document(example, folder):
    done = check(adapt(example, folder), folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_packaged_config(folder):
    done = check(adapt(tree.text("etc/wssd.ini"), folder), folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
