#!/bin/sh
# Builds the backend: APIDesignCompleted → BackendImplementationStarted, BackendImplementationCompleted.
set -eu

event=$(cat)
story=$(printf '%s' "$event" | cantus event get data.story)
endpoints=$(printf '%s' "$event" | cantus event get data.endpoints)

echo "building $endpoints endpoints" >&2
cantus reply --type BackendImplementationStarted --data "{\"story\":$story}"
sleep 1
cantus reply --type BackendImplementationCompleted --data "{\"endpoints\":$endpoints,\"story\":$story}"
