#!/usr/bin/env bash
# Builds the static front end into frontend/build: installs packages if needed, builds, compresses, prints the sizes.
# The site is made beside its place and moved there when it is complete, so that a failed or interrupted run leaves
# the previous one as it was.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/build-frontend.sh [--help]

Builds the front end into frontend/build, which prod-server serves.
Needs Node 20.19, 22.13, 24 or later, and npm; no Rust.

  -h, --help   show this text
TEXT
}

main() {
    require_node
    cd "$(dirname -- "${BASH_SOURCE[0]}")/../frontend"
    install_packages
    build_site
}

require_node() {
    local command
    for command in node npm; do
        command -v "$command" >/dev/null || fail "$command was not found: install Node 20.19 or later from https://nodejs.org"
    done
    # The same ranges as "engines" in package.json.
    node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        const known = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
        process.exit(known ? 0 : 1);
    ' || fail "Node $(node --version) does not fit: install Node 20.19, 22.13, 24 or later from https://nodejs.org"
}

# `npm ci` reinstalls everything each time, so it runs only when a stamp says that the packages are not these.
install_packages() {
    local stamp=node_modules/.duplex-installed wanted
    wanted=$(package_hash)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return
    fi
    rm -f "$stamp"
    run npm ci
    printf '%s' "$wanted" >"$stamp"
}

# dev-server computes the same hash: package-lock.json followed by the line that `node --version` prints.
package_hash() {
    node -e '
        const hash = require("node:crypto").createHash("sha256");
        hash.update(require("node:fs").readFileSync("package-lock.json"));
        console.log(hash.update(`${process.version}\n`).digest("hex"));
    '
}

build_site() {
    mkdir -p .svelte-kit
    workshop=$(mktemp -d "$PWD/.svelte-kit/site.XXXXXX")
    DUPLEX_BUILD_DIRECTORY=$workshop/new run npm run --silent build -- --logLevel warn
    run node scripts/precompress.js "$workshop/new"

    if [[ -e build ]]; then mv build "$workshop/old"; fi
    mv "$workshop/new" build
}

# Runs a command in a way that lets a signal to this script end it too, and waits until it has ended.
run() {
    "$@" &
    child=$!
    wait "$child"
    child=
}

interrupted() {
    trap '' INT TERM
    if [[ -n $child ]]; then
        kill -TERM "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    exit "$1"
}

clean_up() {
    [[ -n $workshop ]] || return 0
    # Interrupted between the two moves: the previous site goes back to its place.
    if [[ ! -e build && -e $workshop/old ]]; then mv "$workshop/old" build; fi
    rm -rf "$workshop"
}

fail() {
    echo "build-frontend.sh: $1" >&2
    exit 1
}

child=
workshop=
trap clean_up EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

case ${1-} in
    '') main ;;
    -h | --help) usage ;;
    *)
        usage >&2
        exit 2
        ;;
esac
