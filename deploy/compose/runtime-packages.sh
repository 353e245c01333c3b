#!/usr/bin/env bash
# The Debian packages that hold the shared libraries of a program, one a line:  runtime-packages.sh PROGRAM
set -euo pipefail
libraries=$(ldd "$1" | awk '$2 == "=>" {print $3}')
for library in $libraries; do
  # dpkg knows a file by the path in its package, with or without /usr.
  real=$(realpath "$library")
  package=$(dpkg -S "$library" 2>/dev/null || dpkg -S "$real" 2>/dev/null || dpkg -S "${real#/usr}" 2>/dev/null) || {
    echo "runtime-packages: no package holds $library" >&2
    exit 1
  }
  echo "${package%%:*}"
done | sort -u
