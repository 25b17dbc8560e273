#!/usr/bin/env bash
# All checks, as CI runs them. Installs by package name whatever the tests need (as root, or with sudo),
# then: lint, unit tests with the race detector, command scripts, kernel tests, fuzz targets, benchmarks once.
#
#   ./test.sh            everything
#   ./test.sh quick      without fuzzing and benchmarks
#   FUZZ_TIME=5s ./test.sh
set -euo pipefail
cd "$(dirname "$0")"
quick=${1:-}
fuzz_time=${FUZZ_TIME:-20s}
export CGO_ENABLED=0

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else echo "test.sh: $* needs root, and there is no sudo" >&2; return 1; fi
}

# A program that the tests call, and the Debian package that brings it.
install_programs() {
  local wanted=() pair
  for pair in ip:iproute2 nft:nftables conntrack:conntrack sysctl:procps busybox:busybox gcc:gcc setpriv:util-linux chromium:chromium promtool:prometheus curl:curl node:nodejs npm:npm rpm:rpm; do
    command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || wanted+=("${pair#*:}")
  done
  [ -x /lib/systemd/systemd-sysctl ] || wanted+=(systemd)
  [ -e /usr/include/stdio.h ] || wanted+=(libc6-dev)
  [ ${#wanted[@]} -eq 0 ] && return
  step "install ${wanted[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

# The accessibility checker that the page's tests run, from npm's registry.
axe_version=4.14.1
fetch_axe() {
  [ -e bin/axe.min.js ] && grep -q "v$axe_version" bin/axe.min.js && return
  step "fetch axe-core $axe_version"
  mkdir -p bin
  curl -fsSL --retry 3 "https://registry.npmjs.org/axe-core/-/axe-core-$axe_version.tgz" | tar -xzO package/axe.min.js >bin/axe.min.js.new
  mv bin/axe.min.js.new bin/axe.min.js
}

# DuckDB, the independent reader of flow records, from npm's registry.
duckdb_version=1.5.6-r.1
fetch_duckdb() {
  export CTKEEPER_DUCKDB=$PWD/bin/duckdb
  grep -qs "\"$duckdb_version\"" bin/duckdb/node_modules/@duckdb/node-api/package.json && return
  step "fetch @duckdb/node-api $duckdb_version"
  npm install --silent --no-audit --no-fund --prefix bin/duckdb "@duckdb/node-api@$duckdb_version" >/dev/null
}

lint() {
  step "format and lint"
  local unformatted
  unformatted=$(git ls-files -co --exclude-standard -- '*.go' | xargs -r gofmt -l)
  [ -z "$unformatted" ] || { echo "not gofmt-ed: $unformatted"; return 1; }
  go build -modfile=tools/go.mod -o bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
  bin/golangci-lint run --allow-parallel-runners
}

# Reflection that names methods at run time keeps dead code in the binary.
binary() {
  step "build one static binary"
  local reflect
  reflect=$(go build -o bin/ctkeeper -ldflags=-dumpdep ./cmd/ctkeeper 2>&1 | grep -c '<ReflectMethod>' || true)
  [ "$reflect" = 0 ] || { echo "$reflect dynamic reflect.Method calls reached: they defeat dead-code elimination"; return 1; }
  ! ldd bin/ctkeeper >/dev/null 2>&1 || { echo "bin/ctkeeper is not static"; return 1; }
}

generated() {
  step "generated code is up to date"
  go generate ./...
  git diff --exit-code -- '*_gen.go' '*_table.go' docs
}

# Kernel tests are among them: they need root, and under CI=true one that would skip fails.
tests() {
  step "tests with the race detector, command scripts, kernel tests"
  CGO_ENABLED=1 go test -race -timeout 20m ./...
}

# Go's fuzzer may report its own deadline as a failure when the time is up (golang/go#75804). That alone,
# with no input written, is run once more; anything else fails.
fuzz_one() {
  local log
  log=$(mktemp)
  if go test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzz_time" "$1" 2>&1 | tee "$log"; then rm "$log"; return; fi
  if ! grep -q '^    context deadline exceeded$' "$log" || grep -q 'Failing input written' "$log"; then rm "$log"; return 1; fi
  rm "$log"
  step "again: the fuzzer reported its own deadline, and no input"
  go test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzz_time" "$1"
}

fuzz() {
  local pkg target
  for pkg in $(go list ./...); do
    for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
      step "fuzz $pkg $target for $fuzz_time"
      fuzz_one "$pkg" "$target"
    done
  done
}

benchmarks() {
  step "each benchmark once"
  go test -run '^$' -bench . -benchtime 1x ./... | grep -v 'no test files'
}

install_programs
fetch_axe
fetch_duckdb
lint
binary
generated
tests
if [ "$quick" != quick ]; then
  fuzz
  benchmarks
fi
step "all passed"
