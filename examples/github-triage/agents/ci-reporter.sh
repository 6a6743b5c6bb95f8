#!/bin/sh
# Reports a run: RunReported { conclusion }. A run that is completed has a conclusion, so one without is bad data: exit code 65.
set -eu

event=$(cat)
conclusion=$(printf '%s' "$event" | cantus event get data.workflow_run.conclusion --default null)

case $conclusion in
null | *[!a-z_]*)
    printf '%s' "$event" | cantus event get data.workflow_run.status --default 'no status' >&2
    echo "the run is completed and has no conclusion" >&2
    exit 65
    ;;
esac
cantus reply --topic triage --type RunReported --data "{\"conclusion\":\"$conclusion\"}"
