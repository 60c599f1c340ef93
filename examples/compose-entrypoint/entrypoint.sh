#!/bin/sh
# Brings the database to this release's revision, then becomes the command. If that fails, nothing is served.
set -eu
python3 -m alembic upgrade head
exec "$@"
