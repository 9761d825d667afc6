[ "$(id -u)" = "$SCRIM_USER" ]
mkdir src
for i in $(seq 20); do
	printf '#include "h.h"\nint f%d(void) { return %d * K; }\n' "$i" "$i" >"src/f$i.c"
done
echo '#define K 3' >src/h.h
printf '#include <stdio.h>\nint f20(void);\nint main(void) { printf("%%d\\n", f20()); return 0; }\n' >src/main.c
cat >Makefile <<'M'
OBJ := $(patsubst src/%.c,o/%.o,$(wildcard src/*.c))
prog: $(OBJ)
	@gcc -o $@ $^
o/%.o: src/%.c src/h.h | o
	@gcc -O1 -c -o $@ $<
o: ; @mkdir o
all: ; @$(MAKE) --no-print-directory prog
M
make -j4 all
./prog
make -q prog && echo up to date
touch -d @1 src/h.h
make -q prog && echo up to date
echo '#define K 4' >src/h.h
touch -d 'now + 1 minute' src/h.h
make -j4 prog && ./prog
ls -A src | sort
rm -rf src o prog Makefile
ls -A
