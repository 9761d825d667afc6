# scrim builds itself with cmake and ninja, and its unit tests pass.
[ "$(id -u)" = "$SCRIM_USER" ]
for part in CMakeLists.txt cmake src test docs profiles completions; do cp -r "$SOURCE/$part" .; done
units='glob policy_parse policy_match policy_move policy_scale log environment'
targets=$(printf 'unit_%s ' $units)
cmake -G Ninja -S . -B b -DCMAKE_BUILD_TYPE=Debug >configure.log 2>&1 || { cat configure.log; exit 1; }
# shellcheck disable=SC2086
ninja -C b scrim $targets >build.log 2>&1 || { tail -50 build.log; exit 1; }
b/src/scrim --version
for unit in $units; do
	"b/test/unit_$unit" 2>&1 | sed -n 's/.*\[  PASSED  \] //p'
done
