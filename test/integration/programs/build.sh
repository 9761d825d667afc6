# scrim builds itself with cmake and ninja, and its unit tests pass.
[ "$(id -u)" = "$SCRIM_USER" ]
cp -r "$SOURCE/CMakeLists.txt" "$SOURCE/cmake" "$SOURCE/src" "$SOURCE/test" "$SOURCE/docs" "$SOURCE/profiles" .
mkdir -p completions
cp -r "$SOURCE/completions" .
cmake -G Ninja -S . -B b -DCMAKE_BUILD_TYPE=Debug >configure.log 2>&1 || { cat configure.log; exit 1; }
ninja -C b scrim unit_policy_glob unit_policy_match unit_elf unit_script >build.log 2>&1 || { tail -50 build.log; exit 1; }
b/src/scrim --version
for unit in policy_glob policy_match elf script; do
	"b/test/unit_$unit" 2>&1 | grep -c '\[       OK \]'
done
