#!/bin/sh
# Draws the wireframes of a story: UserStoryApproved → WireframeStarted, WireframeCompleted.
set -eu

story=$(cantus event get data)

echo "drawing" >&2
cantus reply --type WireframeStarted --data "{\"story\":$story}"
sleep 1
cantus reply --type WireframeCompleted --data "{\"screens\":3,\"story\":$story}"
