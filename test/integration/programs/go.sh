# A Go program: its run-time preempts threads by SIGURG, which must hit steers without harm.
[ "$(id -u)" = "$SCRIM_USER" ]
mkdir m
cat >m/m.go <<'G'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	runtime.GOMAXPROCS(4)
	var bad atomic.Int64
	var wg sync.WaitGroup
	check := func(err error) {
		if err != nil {
			bad.Add(1)
			fmt.Println(err)
		}
	}
	c := make(chan os.Signal, 1000)
	signal.Notify(c, syscall.SIGURG)
	stop := make(chan bool)
	go func() {
		for {
			threads, _ := os.ReadDir("/proc/self/task")
			for i := 0; i < 50; i++ {
				for _, thread := range threads {
					tid, _ := strconv.Atoi(thread.Name())
					syscall.Syscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGURG))
				}
				select {
				case <-stop:
					return
				default:
				}
				time.Sleep(200 * time.Microsecond)
			}
		}
	}()
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := 0; i < 500; i++ {
				check(os.Chdir("/usr"))
				name := filepath.Join("/usr/share", fmt.Sprintf("absent%d-%d", g, i))
				if _, err := os.Stat(name); !os.IsNotExist(err) {
					check(fmt.Errorf("%s: %v", name, err))
				}
				_, err := os.ReadFile("/etc/hostname")
				check(err)
				if i%2 == 0 {
					check(exec.Command("/bin/true").Run())
				}
			}
		}(g)
	}
	wg.Wait()
	close(stop)
	wd, err := os.Getwd()
	check(err)
	fmt.Println(wd, bad.Load())
}
G
go build -o m/m m/m.go
./m/m
rm -rf m
ls -A
