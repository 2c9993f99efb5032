#!/bin/sh
# First process of the container: starts the platform with the options given, and stops it with the container.
set -eu
ryo-faas startFaas "$@"
# The parts are watched by the agent, and the agent by its keeper; this only waits for the end.
trap 'trap - TERM INT; ryo-faas stopFaas; exit 0' TERM INT
while :; do
  sleep 3600 &
  wait $! || :
done
