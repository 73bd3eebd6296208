#!/usr/bin/env bash
# Installs what the build and the tests need and is missing: packages of Debian 12 by apt, and into build/ the pinned
# wheels of tools/requirements.txt and wgpu-native, which one of them ships.
#   tools/setup.sh          what `make run` needs
#   tools/setup.sh --test   and a browser for `make test`; where it cannot be had, the tests that want it are skipped
#   tools/setup.sh --dev    and the tools of `make fmt`, `make tidy`, `make fuzz` and .ci/run
# Does nothing, in a moment, when all is there. If it may not install, it prints the one command that would, and fails.
# TERCET_SETUP=off skips it; TERCET_SETUP_PYTHON names another Python 3.11.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(g++ cmake ninja-build pkgconf python3-venv
          libboost1.81-dev libboost-json1.81-dev libcli11-dev libexpected-dev libfmt-dev libspdlog-dev libssl-dev libutf8proc-dev
          prometheus-cpp-dev libyaml-cpp-dev libgtest-dev mesa-vulkan-drivers)
test_packages=(chromium chromium-driver)
dev_packages=(ccache clang-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev lld-19)

say() { echo "setup: $*" >&2; }
die() { say "$@"; exit 1; }

missing_packages() {
  # A name that dpkg has never heard of is missing too; its complaint is no news.
  local installed name
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2> /dev/null | awk '$1 ~ /^.i/ {print $2}' || true)
  for name in "$@"; do grep -qxF -- "$name" <<< "$installed" || echo "$name"; done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Without a terminal nobody can type sudo's password, so there it must work without one.
may_become_root() {
  [ "$(id -u)" = 0 ] || { command -v sudo > /dev/null && { sudo -n true 2> /dev/null || [ -t 0 ]; }; }
}

install_packages() {
  local missing
  command -v dpkg-query > /dev/null || die "no dpkg here, want Debian 12, or TERCET_SETUP=off and your system's own $*"
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  local sudo="" command
  [ "$(id -u)" = 0 ] || sudo="sudo "
  command="${sudo}apt-get install -y --no-install-recommends ${missing[*]}"
  # A system that never looked knows no package at all.
  compgen -G '/var/lib/apt/lists/*Packages*' > /dev/null || command="${sudo}apt-get update && $command"
  if ! may_become_root; then
    say "these packages are missing and installing them needs root; please run:"
    echo "$command"
    exit 1
  fi
  say "installing ${missing[*]}"
  if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
           apt-get install -y -q --no-install-recommends "${missing[@]}"; } > build/setup-apt.log 2>&1; then
    tail -n 5 build/setup-apt.log >&2
    say "apt-get failed (all it said: build/setup-apt.log); once it can reach its packages, please run:"
    echo "$command"
    exit 1
  fi
}

# Made under another name and moved when whole, so that an interrupted set-up never leaves half of one behind.
make_venv() {
  local python=${TERCET_SETUP_PYTHON:-python3} new=build/venv.new version
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "$python does not run, want Python 3.11"
  [ "$version" = 3.11 ] || die "$python is $version, want 3.11 (the wheels are pinned for it); TERCET_SETUP_PYTHON names one"
  say "installing the wheels of tools/requirements.txt into build/venv"
  rm -rf "$new"
  "$python" -m venv "$new"
  "$new/bin/python" -m pip install -q --no-input --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: -r tools/requirements.txt \
    || die "pip could not install tools/requirements.txt, want those very wheels from its package index or from PIP_FIND_LINKS=DIR"
  # The scripts in bin/ name the folder they were made in.
  grep -rlIZ -- "$new" "$new/bin" "$new/pyvenv.cfg" | xargs -0 -r sed -i "s#$PWD/$new#$PWD/build/venv#g"
  make_wgpu_native "$new"
  rm -rf build/venv
  mv "$new" build/venv
}

# The layout of wgpu-native's own releases, which -DWGPU_NATIVE_DIR takes as well.
make_wgpu_native() {
  local resources new=build/wgpu-native.new
  resources=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/wgpu/resources
  rm -rf "$new"
  mkdir -p "$new/include/webgpu" "$new/lib"
  cp "$resources/webgpu.h" "$resources/wgpu.h" "$new/include/webgpu/"
  cp "$resources/libwgpu_native-release.so" "$new/lib/libwgpu_native.so"
  rm -rf build/wgpu-native
  mv "$new" build/wgpu-native
}

main() {
  local key
  mkdir -p build
  [ "${TERCET_SETUP:-on}" != off ] || { [ -e build/setup.stamp ] || echo off > build/setup.stamp; return 0; }
  exec 9> build/setup.lock
  flock 9
  install_packages "${packages[@]}" $([ "${1:-}" != --dev ] || echo "${dev_packages[@]}")
  [ "${1:-}" != --test ] || (install_packages "${test_packages[@]}") || say "the tests of pages are skipped without a browser"
  key=$(cat tools/setup.sh tools/requirements.txt | sha256sum | cut -d ' ' -f 1)
  if [ "$(cat build/setup.stamp 2> /dev/null)" != "$key" ] || [ ! -e build/wgpu-native/lib/libwgpu_native.so ] ||
     ! build/venv/bin/python -c '' 2> /dev/null; then
    make_venv
    echo "$key" > build/setup.stamp.new
    mv build/setup.stamp.new build/setup.stamp
  fi
}

main "$@"
