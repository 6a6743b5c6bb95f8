#!/bin/sh
# Builds the frontend: WireframeCompleted → FrontendImplementationStarted, FrontendImplementationCompleted.
set -eu

event=$(cat)
story=$(printf '%s' "$event" | cantus event get data.story)
screens=$(printf '%s' "$event" | cantus event get data.screens)

echo "building $screens screens" >&2
cantus reply --type FrontendImplementationStarted --data "{\"story\":$story}"
sleep 1
cantus reply --type FrontendImplementationCompleted --data "{\"screens\":$screens,\"story\":$story}"
