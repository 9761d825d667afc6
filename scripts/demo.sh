#!/usr/bin/env bash
# What scrim does, on real programs: the same commands outside and inside of a view, side by side.
# Installs what is missing (asks for sudo if it must), builds into build/, works in a throw-away home.
set -eu
cd "$(dirname "$0")/.."
build=${SCRIM_BUILD:-build}
width=${COLUMNS:-80}
[ "$width" -ge 80 ] 2>/dev/null && [ "$width" -le 200 ] || width=80

if [ -z "${SCRIM:-}" ]; then
	./scripts/install-packages.sh
	log=$(mktemp)
	echo "building into $build/ ..."
	if ! { cmake -G Ninja -S . -B "$build" -DSCRIM_TESTS=OFF && ninja -C "$build" scrim; } >"$log" 2>&1; then
		cat "$log"
		rm -f "$log"
		exit 1
	fi
	rm -f "$log"
	SCRIM=$build/src/scrim
fi
SCRIM=$(realpath "$SCRIM")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export HOME=$scratch/home XDG_STATE_HOME=$scratch/state LC_ALL=C GIT_CONFIG_NOSYSTEM=1
unset XDG_CONFIG_HOME

# A home with secrets in it.
mkdir -p ~/.ssh ~/.aws ~/project/src ~/logs
cat >~/.ssh/id_ed25519 <<'KEY'
-----BEGIN OPENSSH PRIVATE KEY-----
not a key, but you get the idea
KEY
cat >~/.aws/credentials <<'KEYS'
[default]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = wJalrEXAMPLE
KEYS
echo 'DB_PASSWORD=hunter2' >~/project/.env
echo 'int main(void) { return 0; }' >~/project/src/main.c
echo '08:00 started' >~/logs/audit.log
(
	cd ~/project
	git init -q -b main
	git config user.name Demo
	git config user.email demo@example.org
	git add src
	git commit -qm 'First commit'
)

cat >"$scratch/demo.conf" <<'POLICY'
hide   ~/.ssh
hide   **/.env
mask   ~/.aws/credentials  redact="(?<== ).*"
append ~/logs
POLICY

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

# What happens to be in messages of tools, made to fit a column.
tidy() { sed -e "s|$HOME|~|g" -e "s|$scratch/||g" -e 's/cannot create //' -e 's/^[a-z]*: line [0-9]*: //' -e 's/^sh: [0-9]*: //' -e 's/Permission denied/denied/' \
	-e 's/Operation not permitted/not permitted/' -e 's/No such file or directory/no such file/'; }

show() {
	printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
	echo '08:00 started' >~/logs/audit.log
	(cd ~/project && sh -c "$1") >"$scratch/outside" 2>&1 || true
	echo '08:00 started' >~/logs/audit.log
	(cd ~/project && "$SCRIM" run -c "$scratch/demo.conf" -- sh -c "$1") >"$scratch/inside" 2>&1 || true
	tidy <"$scratch/outside" >"$scratch/a"
	tidy <"$scratch/inside" >"$scratch/b"
	pr -m -t -w "$width" -S'  | ' "$scratch/a" "$scratch/b" | expand
}

printf '\nThe policy:\n'
sed 's/^/    /' "$scratch/demo.conf"
printf '\n%s%-*s  | %s%s\n' "$bold" $(((width - 4) / 2)) 'OUTSIDE' 'INSIDE: scrim run -c demo.conf -- ...' "$plain"

show 'ls -A ~'
show 'cat ~/.ssh/id_ed25519'
show 'cat ~/.aws/credentials'
show 'find ~/project -maxdepth 1'
show "python3 -c 'import os; print(os.path.exists(os.path.expanduser(\"~/.ssh\")))'"
show 'git log --oneline; git status --short'
show 'echo 09:00 more >> ~/logs/audit.log; cat ~/logs/audit.log'
show 'echo forged > ~/logs/audit.log; cat ~/logs/audit.log'
show 'cc src/main.c -o demo && ./demo && echo built and run; rm -f demo'

printf '\nWhat the last run was refused (scrim explain --last):\n'
(cd ~/project && "$SCRIM" run -c "$scratch/demo.conf" -- sh -c 'cat ~/.ssh/id_ed25519 .env' >/dev/null 2>&1) || true
"$SCRIM" explain --last 2>&1 | tidy | cut -c "1-$width"
