#!/bin/sh
# ReviewRequested → ReviewCompleted. Stands for a reviewer that asks what could be misused.
set -eu

event=$(cat)
review=$(printf '%s' "$event" | cantus event get data.review_id --default "$CE_ID")
title=$(printf '%s' "$event" | cantus event get data.title --default '')

case $title in
*[Ss]ecret* | *[Pp]assword*) verdict=changes_requested ;;
*) verdict=approved ;;
esac
echo "review $review: $verdict" >&2
cantus reply --type ReviewCompleted \
    --data "{\"review_id\":\"$review\",\"verdict\":\"$verdict\",\"reviewer\":\"/security-reviewer\"}"
