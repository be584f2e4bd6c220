#!/bin/sh
# Secrets of tacit for podman's shell driver (podman-secret-create(1)): podman asks this script by
# ids that it makes itself; which secret of tacit each one stands for is kept in a folder. No value
# is kept: every look-up asks the keeper.
#
#   podman-secrets.sh list|store|lookup|delete DIR
#
#   store   reads PROJECT/KEY from stdin and keeps it in DIR/$SECRET_ID
#   lookup  writes the value, byte for byte; nothing at all when it cannot be had
#
# docs/formats.md shows how podman is told. tacit is looked for in PATH.
set -eu
export LC_ALL=C
umask 077

fail() {
  printf 'podman-secrets.sh: %s\n' "$1" >&2
  exit 1
}

# is_name TEXT MORE MAX  letters, digits, _ and what MORE has, MAX of them at most
is_name() {
  case $1 in '' | *[!A-Za-z0-9_$2]*) return 1 ;; esac
  [ ${#1} -le "$3" ]
}

# Sets project and key; false when the text is not PROJECT/KEY.
parse() {
  project=${1%%/*} key=${1#*/}
  [ "$project/$key" = "$1" ] && is_name "$project" - 64 && is_name "$key" '' 64 || return 1
  case $project in [!A-Za-z0-9]*) return 1 ;; esac
  case $key in [!A-Z]* | *[a-z]*) return 1 ;; esac
}

[ $# = 2 ] || fail 'usage: podman-secrets.sh list|store|lookup|delete DIR'
command=$1 state=$2
case $state in /*) ;; *) fail 'DIR must begin with /' ;; esac
[ ! -L "$state" ] || fail "$state is a symbolic link"

if [ "$command" != list ]; then
  id=${SECRET_ID-}
  is_name "$id" - 64 || fail 'SECRET_ID is not an id of podman'
fi

case $command in
  list)
    [ ! -d "$state" ] || ls "$state" | while read -r name; do
      ! is_name "$name" - 64 || printf '%s\n' "$name"
    done
    ;;
  store)
    # What does not fit is not repeated: it could be a value that somebody meant to store.
    parse "$(head -c 200)" ||
      fail 'stdin must be PROJECT/KEY; the value is stored with: tacit secret set'
    mkdir -p "$state"
    [ ! -e "$state/$id" ] || fail "$id is taken"
    printf '%s/%s\n' "$project" "$key" >"$state/.$id.new"
    mv "$state/.$id.new" "$state/$id"
    ;;
  lookup)
    [ -f "$state/$id" ] || fail "$id is not known in $state"
    parse "$(cat "$state/$id")" || fail "$state/$id is damaged"
    exec tacit env --project "$project" --key "$key" --format raw
    ;;
  delete)
    [ -f "$state/$id" ] || fail "$id is not known in $state"
    rm "$state/$id"
    ;;
  *) fail 'usage: podman-secrets.sh list|store|lookup|delete DIR' ;;
esac
