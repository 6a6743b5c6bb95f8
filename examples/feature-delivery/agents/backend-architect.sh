#!/bin/sh
# Designs the API of a story: UserStoryApproved → APIDesignStarted, APIDesignCompleted.
#
# The event is on stdin. What `cantus reply` prints is published when the script ends well: all of it or, when it fails, nothing.
set -eu

story=$(cantus event get data)

echo "designing the API" >&2
cantus reply --type APIDesignStarted --data "{\"story\":$story}"
sleep 1
cantus reply --type APIDesignCompleted --data "{\"endpoints\":4,\"story\":$story}"
