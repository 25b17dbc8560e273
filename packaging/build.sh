#!/usr/bin/env bash
# Builds the .deb and .rpm packages of one version.
#
#   packaging/build.sh VERSION [OUTPUT-DIRECTORY] [ARCHITECTURE…]      amd64 and arm64 unless told
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:?usage: packaging/build.sh VERSION [OUTPUT-DIRECTORY] [ARCHITECTURE…]}
out=$(mkdir -p "${2:-bin/packages}" && cd "${2:-bin/packages}" && pwd)
[ $# -gt 2 ] && shift 2 || set -- amd64 arm64
export CGO_ENABLED=0

tree=bin/package # what packaging/nfpm.yaml takes files from
rm -rf "$tree"
mkdir -p "$tree/man"
go build -modfile=tools/nfpm/go.mod -o bin/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm
go build -o "$tree/native" ./cmd/ctkeeper
"$tree/native" man --dir "$tree/man"
gzip -9n "$tree"/man/*
for shell in bash zsh fish; do "$tree/native" completion "$shell" >"$tree/completion.$shell"; done

for arch in "$@"; do
  GOARCH=$arch go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$tree/ctkeeper" ./cmd/ctkeeper
  for packager in deb rpm; do
    VERSION=$version ARCH=$arch bin/nfpm package --config packaging/nfpm.yaml --packager "$packager" --target "$out"
  done
done
