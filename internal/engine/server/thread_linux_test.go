package server

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkThread measures what a request pays for its thread: a background request has one of its own (docs/adr/0032).
func BenchmarkThread(b *testing.B) {
	for name, background := range map[string]bool{"that is there": false, "of its own": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := onThread(background, func(int) {}, func() error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBesideBusyPrograms measures which part of one processor a program of low priority gets beside others of the usual
// priority that keep it busy for a second: docs/adr/0032 has the figures. What else runs on the machine takes from all of
// them, so that the part is one of what they get together.
func BenchmarkBesideBusyPrograms(b *testing.B) {
	const schedIdle = 5 // sched(7)
	lower := map[string]func(pid int) error{
		"nice 19": func(pid int) error { return syscall.Setpriority(syscall.PRIO_PROCESS, pid, lowestPriority) },
		"SCHED_IDLE": func(pid int) error {
			return unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedIdle}, 0)
		},
	}
	for name, priority := range lower {
		for _, others := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s beside %d", name, others), func(b *testing.B) {
				low := busy(b, priority)
				var high []int
				for range others {
					high = append(high, busy(b, func(int) error { return nil }))
				}
				var lowRan, highRan time.Duration
				for b.Loop() {
					before := ranTogether(b, high...)
					lowBefore := ranTogether(b, low)
					time.Sleep(time.Second)
					lowRan += ranTogether(b, low) - lowBefore
					highRan += ranTogether(b, high...) - before
				}
				b.ReportMetric(100*lowRan.Seconds()/(lowRan+highRan).Seconds(), "%")
			})
		}
	}
}

// busy starts a program that keeps the first processor busy until the benchmark ends, and returns its id.
func busy(b *testing.B, priority func(pid int) error) int {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Wait() }) // the context has killed it
	var first unix.CPUSet
	first.Set(0)
	if err := errors.Join(unix.SchedSetaffinity(cmd.Process.Pid, &first), priority(cmd.Process.Pid)); err != nil {
		b.Fatal(err)
	}
	return cmd.Process.Pid
}

// ranTogether is how long programs of one thread have run.
func ranTogether(b *testing.B, pids ...int) (sum time.Duration) {
	b.Helper()
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			b.Skip(err)
		}
		var ran int64
		if _, err := fmt.Sscan(string(text), &ran); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ran)
	}
	return sum
}
