#!/bin/sh
# Designs the tables: APIDesignCompleted → DatabaseSchemaStarted, DatabaseSchemaCompleted.
#
# Its exit codes say whether another try can help: 65 (bad data) is a dead letter at once, 75 (not now) is tried again.
# What it writes to stderr is kept with the attempt; dead letters whose last line is alike are one group.
set -eu

event=$(cat)
story=$(printf '%s' "$event" | cantus event get data.story)
rows=$(printf '%s' "$event" | cantus event get data.story.estimated_rows --default missing)

case $rows in
missing)
    echo "the story has no estimated_rows: ask the product owner for a number" >&2
    exit 65
    ;;
*[!0-9]* | '')
    echo "estimated_rows: $rows" >&2
    echo "estimated_rows is not a whole number: write it with digits only" >&2
    exit 65
    ;;
esac

# For very many rows it wants the large staging database, which is free only at the third attempt.
if [ "${#rows}" -gt 9 ] && [ "$CANTUS_ATTEMPT" -lt 3 ]; then
    echo "the staging database for $rows rows is busy (attempt $CANTUS_ATTEMPT)" >&2
    exit 75
fi

cantus reply --type DatabaseSchemaStarted --data "{\"story\":$story}"
sleep 1
cantus reply --type DatabaseSchemaCompleted --data "{\"tables\":2,\"rows\":$rows,\"story\":$story}"
