"""A PostgreSQL of the tests' own: in a folder of its own, behind a Unix socket only, run by a user who may do nothing else."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest


def programs():
    """The folder of ``initdb`` and ``postgres``; Debian's is not on the path."""
    known = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *(Path(part) for part in os.get_exec_path())]
    return next((folder for folder in known if (folder / "initdb").is_file() and (folder / "postgres").is_file()), None)


class Cluster:
    """``url`` is the database's address while it runs."""

    def __init__(self, folder, bin_folder, user):
        self._folder, self._bin, self._user = folder, bin_folder, user
        self.url = f"postgresql://streamer@/postgres?host={folder}"
        self._run("initdb", "-D", folder / "data", "-A", "trust", "-U", "streamer", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")

    def start(self):
        command = [self._bin / "postgres", "-D", self._folder / "data", "-k", self._folder, "-c", "listen_addresses="]
        quick = ["-c", "fsync=off", "-c", "max_connections=30"]
        self.process = subprocess.Popen([*command, *quick], stderr=subprocess.DEVNULL, **self._user)
        deadline = time.monotonic() + 30
        while subprocess.run([self._bin / "pg_isready", "-q", "-h", self._folder], check=False).returncode:
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait(30)

    def _run(self, program, *arguments):
        subprocess.run([self._bin / program, *map(str, arguments)], check=True, capture_output=True, timeout=120, **self._user)


@contextmanager
def cluster():
    """Skips the test where there is no PostgreSQL, or no driver for it."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    bin_folder = programs()
    if not bin_folder:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    user = {}
    if os.geteuid() == 0:  # which it refuses to run as
        names = {entry.pw_name for entry in pwd.getpwall()}
        user = {"user": "postgres" if "postgres" in names else "nobody"}
    folder = Path(tempfile.mkdtemp(prefix="streamer-pg-", dir="/tmp"))  # a short path: it holds the socket
    try:
        if user:
            shutil.chown(folder, user["user"])
        running = Cluster(folder, bin_folder, user)
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
