package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// lookAt returns what the threads of a process do, nil where that cannot be read.
func lookAt(pid int) *look {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	l := &look{threads: make(map[int]*thread, len(entries))}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// A thread may end while its files are read: it is left out.
		stat, statErr := os.ReadFile(filepath.Join(dir, e.Name(), "stat"))
		// Its name, in parentheses, may hold anything: proc_pid_stat(5).
		_, after, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
		if statErr != nil || !found || len(after) == 0 {
			continue
		}
		t := &thread{state: after[0]}
		// "time spent on the cpu", "time spent waiting on a runqueue": sched-stats.rst of Linux.
		if times, err := os.ReadFile(filepath.Join(dir, e.Name(), "schedstat")); err == nil {
			if fields := bytes.Fields(times); len(fields) >= 2 {
				t.ran, t.queued = nanoseconds(fields[0]), nanoseconds(fields[1])
			}
		} else {
			t.state = 0 // without its times nothing can be said of it
		}
		l.threads[tid] = t
	}
	return l
}

// unread returns how many bytes are in a pipe that nobody has read yet, 0 if that cannot be told: pipe(7), FIONREAD.
func unread(pipe *os.File) (n int) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { // it fails once the pipe is closed
		if n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ); err != nil {
			n = 0
		}
	})
	return n
}

func nanoseconds(field []byte) time.Duration {
	n, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n)
}
