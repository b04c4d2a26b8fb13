#!/bin/bash
# That the benchmarks still run and that a page can be made of what they say. Their figures mean nothing here.
# CLUSTERED_SESSION_SO names the built module.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for file in bench/page bench/*.php bench/handlers/*.php; do
  php -n -l "$file" >/dev/null
done
scripts/bench --smoke --json "$scratch/bench.json"
bench/page --try "$scratch/bench.json" >"$scratch/benchmarks.md"
