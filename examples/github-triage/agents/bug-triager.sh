#!/bin/sh
# Gives a bug a priority: BugTriaged { number, priority }.
set -eu

event=$(cat)
number=$(printf '%s' "$event" | cantus event get data.issue.number)
milestone=$(printf '%s' "$event" | cantus event get data.issue.milestone --default null)

case $milestone in
null) priority=normal ;;
*) priority=high ;; # it is promised for a date
esac
cantus reply --topic triage --type BugTriaged --subject "issues/$number" --data "{\"number\":$number,\"priority\":\"$priority\"}"
