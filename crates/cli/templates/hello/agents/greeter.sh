#!/bin/sh
# HelloSaid {"name": …} → HelloAnswered {"text": …}
set -eu

# Prints the string at data.name; without one, the event is wrong for us: exit code 65, which is not tried again.
name=$(cantus event get data.name) || exit 65

echo "greeting $name" >&2
printf 'Hello, %s!' "$name" | cantus reply --type HelloAnswered --content-type text/plain --data -
