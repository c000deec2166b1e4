#!/usr/bin/env bash
# Everything that continuous integration runs. Prints one line per step, and the output of those that fail.
set -euo pipefail

readonly PARTS=(rust frontend checks sdk browser)

usage() {
    cat <<'TEXT'
Usage: scripts/test.sh [--help] [PART...]

Runs every test, or those of the parts given, and installs what they need.

  rust       formatting, lints, documentation, unit and integration tests
  frontend   lints, formatting, types, unit tests (some against a server, which is built for them), the build
  checks     the workspace's rules, the types and formatting of the scripts and end-to-end tests
  sdk        maintained SDKs of the Centrifuge protocol against an example server, in Node and Python
  browser    all of it together, in Chromium: the pages, the chat, a deploy, the guide, and an SDK

  -h, --help   show this text

Needs Rust (https://rustup.rs), Node 20.19, 22.13, 24 or later (https://nodejs.org) and Linux.
Chromium is installed with apt-get where that is possible. Without it the browser tests are skipped, and
without Python 3.11 or later those in Python. That is said at the end; with CI=true it is a failure.
TEXT
}

main() {
    cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
    logs=$(mktemp -d)
    local part
    for part in tools "$@"; do
        "part_$part"
        # Nothing below would say more than that.
        if [[ $part == tools && $failed -gt 0 ]]; then break; fi
    done
    summarize
}

part_tools() {
    step 'tools' require_tools
}

part_rust() {
    step 'rustfmt' cargo fmt --all --check
    step 'clippy' cargo clippy --locked --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' step 'rustdoc' cargo doc --locked --workspace --no-deps --document-private-items
    step 'cargo test' cargo test --locked --workspace --no-fail-fast
}

part_frontend() {
    step 'front-end packages' install_packages frontend
    step 'eslint' in_frontend npx --no-install eslint .
    step 'prettier' in_frontend npx --no-install prettier --check .
    step 'svelte-check' in_frontend npm run --silent check
    step 'vitest' in_frontend npm run --silent test
    step 'front-end build' scripts/build-frontend.sh
}

part_checks() {
    step 'workspace rules' scripts/check-workspace
    step 'tests of the rules' node --test --test-reporter=spec scripts/workspace/rules.test.mjs
    # The compiler and the formatter are the front end's.
    step 'front-end packages' install_packages frontend
    step 'end-to-end packages' install_packages e2e
    step 'types of scripts' frontend/node_modules/.bin/tsc -p e2e
    step 'format of scripts' frontend/node_modules/.bin/prettier --check --config e2e/.prettierrc e2e scripts
    step 'shell syntax' check_shell
}

part_sdk() {
    step 'end-to-end packages' install_packages e2e
    step 'cargo build open' cargo build --locked -p duplex-core --example open
    step 'SDK tests in Node' node e2e/run.js sdk-node
    if ! find_python; then
        skip 'SDK tests in Python' 'no Python 3.11 with venv here: install the packages python3 and python3-venv'
        return
    fi
    step 'Python packages' install_python_packages
    step 'SDK tests in Python' node e2e/run.js sdk-python
}

part_browser() {
    find_chromium || step 'chromium' install_chromium
    if ! find_chromium; then
        skip 'browser tests' 'no Chromium here: install the package chromium, or set DUPLEX_CHROMIUM to its path'
        return
    fi
    step 'front-end packages' install_packages frontend
    step 'end-to-end packages' install_packages e2e
    step 'front-end build' scripts/build-frontend.sh
    step 'cargo build' cargo build --locked -p prod-server
    step 'cargo build open' cargo build --locked -p duplex-core --example open
    step 'browser tests' node e2e/run.js --without sdk-node sdk-python
}

require_tools() {
    require cargo 'install Rust from https://rustup.rs'
    require node 'install Node 20.19 or later from https://nodejs.org'
    require npm 'it comes with Node: install that from https://nodejs.org'
    cargo fmt --version || tell 'rustfmt was not found: run rustup component add rustfmt'
    cargo clippy --version || tell 'clippy was not found: run rustup component add clippy'
    # The same ranges as "engines" in frontend/package.json.
    node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        const known = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
        process.exit(known ? 0 : 1);
    ' || tell "Node $(node --version) does not fit: install Node 20.19, 22.13, 24 or later from https://nodejs.org"
}

require() {
    command -v "$1" || tell "$1 was not found: $2"
}

tell() {
    echo "$1"
    exit 1
}

in_frontend() {
    cd frontend
    "$@"
}

# `npm ci` reinstalls everything each time, so it runs only when a stamp says that the packages are not these. The
# build script and dev-server keep the same stamp.
install_packages() {
    cd "$1"
    local stamp=node_modules/.duplex-installed wanted
    wanted=$(node -e '
        const hash = require("node:crypto").createHash("sha256");
        hash.update(require("node:fs").readFileSync("package-lock.json"));
        console.log(hash.update(`${process.version}\n`).digest("hex"));
    ')
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then return; fi
    rm -f "$stamp"
    npm ci
    printf '%s' "$wanted" >"$stamp"
}

# ensurepip is what Debian leaves out of venv unless python3-venv is there.
find_python() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# An environment of their own, with exactly the files that are named by their hashes.
install_python_packages() {
    cd e2e/python
    local stamp=.venv/.duplex-installed wanted
    wanted=$({ cat requirements.txt; python3 -c 'import sys; print(sys.executable, sys.version)'; } | sha256sum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then return; fi
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
    printf '%s' "$wanted" >"$stamp"
}

check_shell() {
    local script
    for script in .ci/run scripts/*; do
        if [[ -f $script && $(head -n 1 "$script") == *bash ]]; then bash -n "$script"; fi
    done
}

find_chromium() {
    if [[ -n ${DUPLEX_CHROMIUM-} ]]; then
        [[ -x $DUPLEX_CHROMIUM ]]
        return
    fi
    [[ -x /usr/bin/chromium || -x /usr/bin/chromium-browser || -x /usr/bin/google-chrome ]]
}

install_chromium() {
    local privileged=()
    if [[ $EUID -ne 0 ]]; then privileged=(sudo -n); fi
    if ! command -v apt-get || ! "${privileged[@]}" true; then
        echo 'cannot install packages here: that takes apt-get, and root or sudo without a password'
        [[ ${CI-} != true ]]
        return
    fi
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update
    "${privileged[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
}

# Runs a command in a subshell of its own and counts it, or the tests that it says it has run. The subshell is in the
# background and leads a process group, so that a signal to this script can end all of it. It is not in a condition,
# where `set -e` would have no effect. Several parts may name the same step, which then runs once.
step() {
    local name=$1 log began=$SECONDS status=0
    shift
    if [[ -n ${seen[$name]-} ]]; then return; fi
    seen[$name]=1
    log=$logs/$((++steps))
    printf '%-28s' "$name"
    set -m
    ("$@") >"$log" 2>&1 </dev/null &
    group=$!
    set +m
    wait "$group" || status=$?
    group=
    local passes failures
    read -r passes failures < <(count "$log")
    if [[ $((passes + failures)) -eq 0 ]]; then passes=1; fi
    # A command that fails without naming a test, as one that does not compile.
    if [[ $status -ne 0 && $failures -eq 0 ]]; then
        failures=1
        if [[ $passes -eq 1 ]]; then passes=0; fi
    fi
    passed=$((passed + passes))
    failed=$((failed + failures))
    if [[ $status -eq 0 && $failures -eq 0 ]]; then
        printf 'ok     %4d s   %s\n' $((SECONDS - began)) "$(plural "$passes")"
    else
        printf 'FAILED %4d s\n' $((SECONDS - began))
        sed 's/^/    /' "$log"
        failures_named+=("$name")
    fi
}

# What could not be run. Continuous integration must be able to run everything.
skip() {
    if [[ ${CI-} == true ]]; then
        printf '%-28sFAILED          %s\n' "$1" "$2"
        failed=$((failed + 1))
        failures_named+=("$1")
    else
        printf '%-28sskipped         %s\n' "$1" "$2"
        skipped+=("$1: $2")
    fi
}

# Adds up what cargo, Vitest and Node's test runner say at their ends.
count() {
    awk '
        { gsub(/\033\[[0-9;]*m/, "") }
        /^test result: / { passed += $4; failed += $6 }
        /^ +Tests +[0-9]/ {
            for (i = 2; i < NF; i++) {
                if ($(i + 1) ~ /^passed/) passed += $i
                if ($(i + 1) ~ /^failed/) failed += $i
            }
        }
        /^ℹ pass [0-9]+$/ { passed += $3 }
        /^ℹ (fail|cancelled) [0-9]+$/ { failed += $3 }
        END { print passed + 0, failed + 0 }
    ' "$1"
}

plural() {
    if [[ $1 -gt 1 ]]; then echo "$1 tests"; fi
}

summarize() {
    local line
    echo
    for line in "${skipped[@]}"; do echo "skipped: $line"; done
    for line in "${failures_named[@]}"; do echo "failed: $line"; done
    echo "took $SECONDS s"
    echo "$passed passed, $failed failed"
    [[ $failed -eq 0 ]]
}

interrupted() {
    trap '' INT TERM
    if [[ -n $group ]]; then
        kill -TERM -- "-$group" 2>/dev/null || true
        while kill -0 -- "-$group" 2>/dev/null; do sleep 0.1; done
    fi
    exit "$1"
}

declare -A seen=()
steps=0
passed=0
failed=0
skipped=()
failures_named=()
group=
logs=

trap '[[ -z $logs ]] || rm -rf "$logs"' EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

parts=()
for argument in "$@"; do
    case $argument in
        -h | --help)
            usage
            exit
            ;;
        rust | frontend | checks | sdk | browser) parts+=("$argument") ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
done
if [[ ${#parts[@]} -eq 0 ]]; then parts=("${PARTS[@]}"); fi
main "${parts[@]}"
