#!/bin/sh
# ReviewCompleted → DecisionMade
set -eu

event=$(cat)
# Exit code 65 says that the data is wrong for us: it is not tried again.
review=$(printf '%s' "$event" | cantus event get data.review_id) || exit 65
verdict=$(printf '%s' "$event" | cantus event get data.verdict) || exit 65
reviewer=$(printf '%s' "$event" | cantus event get source)

case $verdict in
approved) decision=merge ;;
*) decision=wait ;;
esac
cantus reply --type DecisionMade \
    --data "{\"decision_id\":\"$review\",\"decision\":\"$decision\",\"rationale\":\"$verdict by $reviewer\"}"
