# A Node program: thousands of chdir, exec and file calls.
[ "$(id -u)" = "$SCRIM_USER" ]
cat >t.js <<'J'
const fs = require('fs'), cp = require('child_process'), path = require('path');
fs.mkdirSync('n/a/b', { recursive: true });
for (let i = 0; i < 200; i++) fs.writeFileSync(`n/a/f${i}`, 'x'.repeat(i));
let n = 0;
for (const e of fs.readdirSync('n/a', { withFileTypes: true })) if (e.isFile()) n += fs.statSync(path.join('n/a', e.name)).size;
console.log(n, fs.readdirSync('.').sort().join(' '), fs.existsSync('hidden-file'));
for (let i = 0; i < 20; i++) console.log(cp.execFileSync('/bin/echo', [String(i)]).toString().trim());
process.on('SIGUSR2', () => {});
fs.writeFileSync('ready', '');
for (let i = 0; i < 1000; i++) { process.chdir('n'); process.chdir('..'); }
fs.unlinkSync('ready');
(async () => {
	await Promise.all(Array.from({ length: 200 }, (_, i) => fs.promises.rename(`n/a/f${i}`, `n/a/b/f${i}`)));
	console.log(fs.readdirSync('n/a/b').length);
	fs.rmSync('n', { recursive: true });
	try { fs.readFileSync('hidden-file'); } catch (e) { console.log(e.code); }
	console.log(await new Promise(r => cp.exec('ls -A', (e, out) => r(out))));
})();
J
# Signals all the while: some must hit a steer.
node t.js &
pid=$!
while [ ! -e ready ] && kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
perl -e 'while (-e "ready" && kill "USR2", $ARGV[0]) { select undef, undef, undef, 0.0005 }' "$pid"
wait "$pid"
rm t.js
