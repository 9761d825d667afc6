[ "$(id -u)" = "$SCRIM_USER" ]
cat >t.py <<'P'
import concurrent.futures, glob, os, pathlib, shutil, subprocess, sys, tempfile, threading, zipfile, sqlite3, mmap, fcntl
for i in range(10):
    assert subprocess.check_output(["echo", str(i)], text=True) == f"{i}\n"
print(subprocess.run("cat hidden-file; echo $?", shell=True, capture_output=True, text=True))
os.makedirs("w/x/y")
def work(n):
    path = pathlib.Path("w") / f"f{n}"
    for i in range(20):
        path.write_text("x" * i)
        assert len(path.read_text()) == i
        os.replace(path, str(path) + ".new")
        os.rename(str(path) + ".new", path)
    path.unlink()
    return n
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(work, range(50))))
print(sorted((r, sorted(d), sorted(f)) for r, d, f in os.walk(".")))
print(len(list(os.walk("/usr/lib/python3"))), sorted(glob.glob("**", recursive=True)))
shutil.copytree("/usr/lib/python3/dist-packages", "dp", symlinks=True, dirs_exist_ok=True) if os.path.isdir("/usr/lib/python3/dist-packages") else None
shutil.make_archive("z", "zip", "w")
print(zipfile.ZipFile("z.zip").namelist())
shutil.rmtree("dp", ignore_errors=True)
with tempfile.TemporaryDirectory(dir=".") as d, tempfile.NamedTemporaryFile(dir=d) as f, tempfile.TemporaryFile(dir=d) as g:
    f.write(b"abc"); f.flush(); g.write(b"x"); print(os.stat(f.name).st_size, os.fstat(g.fileno()).st_nlink)
fd = os.open("m", os.O_RDWR | os.O_CREAT, 0o640)
os.ftruncate(fd, 4096)
with mmap.mmap(fd, 4096) as m:
    m[:5] = b"hello"
print(open("m", "rb").read(5), oct(os.stat("m").st_mode), os.path.samestat(os.fstat(fd), os.stat("m")))
print(os.readlink(f"/proc/self/fd/{fd}") == os.path.abspath("m"), os.readlink("/proc/self/cwd") == os.getcwd())
print(os.path.realpath("/proc/self") == f"/proc/{os.getpid()}", open("/dev/fd/%d" % fd, "rb").read(2))
fcntl.lockf(fd, fcntl.LOCK_EX); fcntl.flock(fd, fcntl.LOCK_EX)
d = os.open("w", os.O_RDONLY)
print(sorted(os.listdir(d)), os.stat("x", dir_fd=d).st_nlink)
os.mkfifo("fifo")
def reader(): print(open("fifo").read())
t = threading.Thread(target=reader); t.start()
with open("fifo", "w") as f: f.write("through the fifo")
t.join()
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], dict(os.environ)); print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for name in ("hidden-file", "sub/hidden-dir", "hidden-dir/x"):
    try: os.stat(name); print("seen", name)
    except FileNotFoundError as e: print(e.errno)
print(sys.executable == shutil.which("python3") or os.path.samefile(sys.executable, shutil.which("python3")))
P
python3 t.py
rm -rf w m z.zip fifo t.py
ls -A
