#!/bin/sh
# Looks for the version that repairs a vulnerability: PatchFound { patched }. Where the advisory names none it searches on, and
# does not end before its timeout.
set -eu

event=$(cat)
patched=$(printf '%s' "$event" | cantus event get data.security_advisory.vulnerabilities.0.first_patched_version --default null)

if [ "$patched" = null ]; then
    echo "no version is named, searching the history" >&2
    sleep 3600
fi
cantus reply --topic triage --type PatchFound --data "{\"patched\":$patched}"
