#!/bin/sh
# Announces a release: ReleaseAnnounced { release }. A release without a text can not be announced: exit code 65, bad data.
set -eu

event=$(cat)
tag=$(printf '%s' "$event" | cantus event get data.release.tag_name)
body=$(printf '%s' "$event" | cantus event get data.release.body --default null)

case $body in
null | '')
    echo "release $tag" >&2
    echo "the release has no body: write one" >&2
    exit 65
    ;;
esac
release=$(printf '%s' "$event" | cantus event get data.release)
cantus reply --topic triage --type ReleaseAnnounced --subject "releases/$tag" --data "{\"release\":$release}"
