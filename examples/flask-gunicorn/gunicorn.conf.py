"""gunicorn's settings. RUN_MIGRATIONS=on: a start migrates first, once, and does not serve if that fails."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

wsgi_app = "parcels.web:create_app()"
bind = os.environ.get("BIND", "0.0.0.0:8000")
workers = 2
threads = 4
timeout = 20
accesslog = None

# Where the workers keep their counters; read by prometheus_client when it is imported, hence set here.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="parcels-metrics-")


def on_starting(server):
    if os.environ.get("RUN_MIGRATIONS", "off") == "on":
        directory = Path(__file__).resolve().parent / "db"
        subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=directory, check=True)


def child_exit(server, worker):
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
