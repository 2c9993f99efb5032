#!/bin/sh
# Deploys a folder, a deploy.json or an artefact (app.ryo) to a server, in a pipeline:
#
#   RYO_FAAS_SERVER=https://faas.example.com RYO_FAAS_SERVER_TOKEN=ryotoken_… sh deploy.sh [what] [options of deploy]
#
# Also from variables, as action.yml sets them: DEPLOY_WHAT, DEPLOY_ENV, DEPLOY_ONLY (names, a space between them),
# DEPLOY_DIGEST, and RYO_FAAS_RELEASE, which is taken from npm where no ryo-faas is installed.
set -eu

fail() {
  printf 'ryo-faas: %s\n' "$1" >&2
  # Shown beside the step by GitHub.
  if [ "${GITHUB_ACTIONS:-}" = true ]; then printf '::error title=ryo-faas::%s\n' "$1"; fi
  exit 1
}

[ -n "${RYO_FAAS_SERVER:-}" ] ||
  fail 'no server: set RYO_FAAS_SERVER (input "server") to https://… , or to http://127.0.0.1:9998 where a tunnel of ssh begins.'
[ -n "${RYO_FAAS_SERVER_TOKEN:-}" ] ||
  fail 'no token: make one on the server (ryo-faas token create ci --can deploy), keep it as a secret of the pipeline, and set RYO_FAAS_SERVER_TOKEN (input "token") to it. Pipelines of forks get no secrets.'
command -v node >/dev/null 2>&1 || fail 'no Node: install 20.19 or newer before this step, such as with actions/setup-node.'

what=${DEPLOY_WHAT:-.}
case ${1:-} in
  '' | -*) ;;
  *) what=$1 && shift ;;
esac
[ -e "$what" ] || fail "there is no \"$what\" in $PWD: name a folder with deploy.json, or what \"deploy --build-only --out app.ryo\" wrote."
# A name that begins with a dash is a file all the same.
case $what in -*) what=./$what ;; esac

if [ -n "${DEPLOY_ENV:-}" ]; then set -- "$@" "--env=$DEPLOY_ENV"; fi
if [ -n "${DEPLOY_DIGEST:-}" ]; then set -- "$@" "--digest=$DEPLOY_DIGEST"; fi
# Names, not patterns: nothing is to be found in the folder.
set -f
for name in ${DEPLOY_ONLY:-}; do set -- "$@" "--only=$name"; done
set +f

own=$(dirname "$0")/../bin/ryo-faas.js
export RYO_FAAS_SERVER RYO_FAAS_SERVER_TOKEN
if [ -e "$(dirname "$0")/../bundle/main/cli.cjs" ]; then
  exec node "$own" deploy "$what" "$@"
elif command -v ryo-faas >/dev/null 2>&1; then
  exec ryo-faas deploy "$what" "$@"
else
  exec npx --yes "ryo-faas@${RYO_FAAS_RELEASE:-latest}" deploy "$what" "$@"
fi
