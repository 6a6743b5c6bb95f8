#!/bin/sh
# Greets who opened a pull request: Greeted { number }. Its first attempt fails as a busy service would: exit code 75, try again.
set -eu

number=$(cantus event get data.number)

if [ "$CANTUS_ATTEMPT" -lt 2 ]; then
    echo "the comment service is busy" >&2
    exit 75
fi
cantus reply --topic triage --type Greeted --subject "pull/$number" --data "{\"number\":$number}"
