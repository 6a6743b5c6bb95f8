#!/bin/sh
# HelloSaid {"name": …} → HelloAnswered, as text
set -eu

# The event is on stdin; this prints the string at data.name.
name=$(cantus event get data.name --default world)

# Exit codes say what happens next: 0 done, 65 the data is wrong (not tried again), any other tried again, then a dead letter.
[ "$name" != nobody ] || exit 65

# stderr is the log: cantus deliveries logs ID --stderr
echo "greeting $name" >&2
printf 'Hello, %s!' "$name" | cantus reply --type HelloAnswered --content-type text/plain --data -
