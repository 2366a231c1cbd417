#!/bin/sh
# Prints the file to start the program from: all modules in one, made anew where a source is younger than it, which
# starts in a third of the time; the source itself where the bundle cannot be made, as in a folder of somebody else.
set -u
top=$(dirname "$(dirname "$(readlink -f "$0")")")
source=$top/src/cli/main.ts
# As deep as the sources: what lies beside them is found from here too.
bundle=$top/dist/cli/main.mjs

if [ -e "$bundle" ] && [ -z "$(find "$top/src" "$top/package-lock.json" -newer "$bundle" -print -quit)" ]; then
  printf '%s\n' "$bundle"
  exit
fi

# Of the moment the making began: what is changed meanwhile is younger.
making=$({ mkdir -p "$top/dist/cli" && mktemp "$bundle.XXXXXX.partial"; } 2>/dev/null) || {
  printf '%s\n' "$source"
  exit
}
trap 'rm -f "$making" "$making.mjs"' EXIT
if "$top/node_modules/@esbuild/linux-x64/bin/esbuild" "$source" --bundle --platform=node --target=node26 --format=esm \
  --external:esbuild --legal-comments=none --log-level=silent --outfile="$making.mjs" \
  "--banner:js=import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);" &&
  touch -r "$making" "$making.mjs" && mv "$making.mjs" "$bundle"; then
  printf '%s\n' "$bundle"
else
  printf '%s\n' "$source"
fi
