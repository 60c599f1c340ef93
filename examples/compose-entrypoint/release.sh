#!/bin/sh
# The files of one release: sh release.sh RELEASE DIRECTORY
# What is here is 2.4; previous.patch makes 2.3 of it, without its newest migration.
set -eu
[ $# = 2 ] || { echo "usage: sh release.sh RELEASE DIRECTORY" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
cd "$2"
(cd "$here" && tar cf - --exclude=__pycache__ Dockerfile requirements.txt alembic.ini entrypoint.sh migrations board) | tar xf -
case $1 in
    2.4) ;;
    2.3)
        rm migrations/versions/2401_*
        # A directory that lies in somebody's repository is none of that repository.
        GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git apply "$here/previous.patch"
        ;;
    *) echo "release.sh: there is no release $1, only 2.3 and 2.4" >&2; exit 1 ;;
esac
