#!/bin/sh
# The version of what is built here, as `git describe` says it: 1.4.0 at the tag v1.4.0,
# 1.4.0-12-gabcdef0 twelve commits after it. Before the first tag, commits since the beginning count.
# EDGEBOX_VERSION says another one.
set -eu
cd "$(dirname "$0")/.."
base=$(sed -n 's/^version = "\([0-9.]*\)"$/\1/p' pyproject.toml)
if [ -n "${EDGEBOX_VERSION:-}" ]; then
    echo "$EDGEBOX_VERSION"
elif found=$(git describe --tags --match 'v[0-9]*' --abbrev=10 2>/dev/null); then
    echo "${found#v}"
elif commit=$(git rev-parse --short=10 HEAD 2>/dev/null); then
    echo "$base-$(git rev-list --count HEAD)-g$commit"
else
    echo "$base"
fi
