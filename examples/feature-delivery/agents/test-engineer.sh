#!/bin/sh
# Plans the tests of a story (UserStoryApproved → TestPlanStarted, TestPlanCompleted) and runs them
# (FrontendImplementationCompleted → TestingStarted, TestingCompleted). The file says which of both by the first argument.
set -eu

case ${1-} in
plan)
    story=$(cantus event get data)
    cantus reply --type TestPlanStarted --data "{\"story\":$story}"
    sleep 1
    cantus reply --type TestPlanCompleted --data "{\"cases\":12,\"story\":$story}"
    ;;
test)
    story=$(cantus event get data.story)
    cantus reply --type TestingStarted --data "{\"story\":$story}"
    sleep 1
    cantus reply --type TestingCompleted --data "{\"passed\":12,\"failed\":0,\"story\":$story}"
    ;;
*)
    echo "test-engineer.sh: call it with \`plan\` or \`test\`, see cantus.yaml" >&2
    exit 78 # a wrong configuration: no retry will help
    ;;
esac
