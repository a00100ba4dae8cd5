#!/usr/bin/env bash
# Installs what a bare Debian or Ubuntu lacks (a Vulkan loader, Mesa's software driver, a window system without a
# screen), then builds and runs every test. Without a GPU adapter it says so and fails: GPU tests never skip.
#
#   scripts/test.sh            all tests
#   HYPERSINE_DATA=folder scripts/test.sh   the acceptance tests on real data, too
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { # need PACKAGE CHECK...: the package unless the check succeeds
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
library() { ldconfig -p | grep -q "$1"; }
driver() { compgen -G '/usr/share/vulkan/icd.d/*.json' || compgen -G '/etc/vulkan/icd.d/*.json'; }
if command -v apt-get >/dev/null; then
    need libvulkan1 library libvulkan.so.1
    need mesa-vulkan-drivers driver
    need xvfb command -v Xvfb
    need xdotool command -v xdotool
    need libxkbcommon-x11-0 library libxkbcommon-x11.so.0
    need libxcursor1 library libXcursor.so.1
    need libxi6 library libXi.so.6
    need gcc command -v cc
    if ((${#missing[@]})); then
        echo "installing: ${missing[*]}"
        sudo=()
        [ "$(id -u)" = 0 ] || sudo=(sudo)
        "${sudo[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi

# Debian's chromium package brings a second software driver, SwiftShader, with a sine of its own: where it is
# installed, the numerics are tested on both.
swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
if [ -e "$swiftshader" ]; then
    export VK_ADD_DRIVER_FILES="$swiftshader${VK_ADD_DRIVER_FILES:+:$VK_ADD_DRIVER_FILES}"
fi
# Without a session Mesa's device-select layer complains on every start.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    export NODEVICE_SELECT=1
fi

ignored=()
if [ -n "${HYPERSINE_DATA:-}" ]; then
    ignored=(--include-ignored)
else
    echo "HYPERSINE_DATA is not set: the acceptance tests on real data are left out"
fi
cargo test --release --no-run
# Gradients first, as a step of their own: without them nothing that learns means anything. (`cargo test` leaves them out.)
cargo test --release --test gradients -- --nocapture
if [ ! -e "$swiftshader" ]; then
    # Mesa's driver alone would test the tier of its own only.
    HYPERSINE_TIER=portable cargo test --release --test kernels -- --nocapture random_models
fi
cargo test --release --no-fail-fast -- --nocapture "${ignored[@]}"
