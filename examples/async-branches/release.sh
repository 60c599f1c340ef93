#!/bin/sh
# The files of one release: sh release.sh RELEASE DIRECTORY
# What is here is 5.2; previous.patch makes 5.1 of it, without the revisions that only 5.2 has.
set -eu
[ $# = 2 ] || { echo "usage: sh release.sh RELEASE DIRECTORY" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
cd "$2"
(cd "$here" && tar cf - --exclude=__pycache__ requirements.txt alembic.ini migrations hub) | tar xf -
case $1 in
    5.2) ;;
    5.1)
        for revision in a37e08c4f512 1d94b6e3c0f8 c82f5d1b3a60 90be47a16f2d; do rm "migrations/versions/$revision.py"; done
        # A directory that lies in somebody's repository is none of that repository.
        GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git apply "$here/previous.patch"
        ;;
    *) echo "release.sh: there is no release $1, only 5.1 and 5.2" >&2; exit 1 ;;
esac
