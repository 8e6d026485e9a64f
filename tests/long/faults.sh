#!/usr/bin/env bash
# As tests/e2e/faults.sh, with 200 kills that end a living process, and a flipped bit in every file of a small store.
KILLS=${KILLS:-200} DISKS=${DISKS:-30} FLIPS=${FLIPS:-all} RACES=${RACES:-10} exec "$(dirname "$0")/../e2e/faults.sh"
