#!/bin/sh
# Asks for a build: BuildRequested { commit }. GitHub also sends a push when a branch or tag is deleted; then there is no
# commit to build, and no other try would find one: exit code 65, bad data.
set -eu

event=$(cat)
# Objects come as JSON, so they can be put into JSON as they are.
commit=$(printf '%s' "$event" | cantus event get data.head_commit --default null)

if [ "$commit" = null ]; then
    printf '%s' "$event" | cantus event get data.ref >&2
    echo "the push has no head_commit, so there is nothing to build" >&2
    exit 65
fi
cantus reply --topic triage --type BuildRequested --data "{\"commit\":$commit}"
