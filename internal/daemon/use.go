package daemon

import (
	"os"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
)

// use is what Scout's processes use, by what they are: daemon, recorder, engine.
type use struct {
	mu     sync.Mutex
	seen   map[int]time.Duration // on processors, by process, when it was looked at last
	kinds  []*kindOfProcess
	memory uint64
	ran    time.Duration
}

// kindOfProcess are the processes of one kind.
type kindOfProcess struct {
	name   string
	memory *metric.Gauge
	ran    *metric.Counter
}

// one is a process.
type one struct {
	kind string
	pid  int
}

func newUse() *use {
	u := &use{seen: make(map[int]time.Duration)}
	for _, name := range []string{daemonProcess, recorderProcess, engineProcess} {
		u.kinds = append(u.kinds, &kindOfProcess{
			name: name,
			memory: metric.NewGauge(metric.Opts{
				Name: "scout_process_memory_bytes", Help: "Memory of the process (proportional set size), of all engines together; 0 while none runs.",
			}),
			ran: metric.NewCounter(metric.Opts{
				Name: "scout_process_cpu_seconds_total", Help: "Time of the process on processors since the daemon saw it first, of all engines together.",
			}),
		})
	}
	return u
}

// look measures processes. It returns the memory of all of them, and how long they have been on processors, which never goes back.
func (u *use) look(all []one) (memory uint64, ran time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.memory = 0
	for _, kind := range u.kinds {
		sum := uint64(0)
		for _, p := range all {
			if p.kind == kind.name {
				bytes, passed := u.lookAt(p.pid)
				sum += bytes
				kind.ran.Add(passed.Seconds())
				u.ran += passed
			}
		}
		kind.memory.Set(float64(sum))
		u.memory += sum
	}
	for pid := range u.seen {
		if !slices.ContainsFunc(all, func(p one) bool { return p.pid == pid }) {
			delete(u.seen, pid)
		}
	}
	return u.memory, u.ran
}

// lookAt measures a process: its memory, and how long it was on processors since the last look. Of one that has ended both are 0.
func (u *use) lookAt(pid int) (memory uint64, passed time.Duration) {
	p, err := process.NewProcess(int32(pid)) //nolint:gosec // a process id
	if err != nil {
		return 0, 0
	}
	if memory, err = footprint.Memory(pid); err != nil {
		if info, err := p.MemoryInfo(); err == nil { // too much, where pages are shared
			memory = info.RSS
		}
	}
	times, err := p.Times()
	if err != nil {
		return memory, 0
	}
	ran := time.Duration((times.User + times.System) * float64(time.Second))
	if before, known := u.seen[pid]; known {
		passed = max(0, ran-before) // less than 0: another process has its number
	}
	u.seen[pid] = ran
	return memory, passed
}

// processMetrics are the metrics of processes of one kind.
type processMetrics struct {
	process  string
	families []metric.Family
}

// families are the metrics by kind of process.
func (u *use) families() []processMetrics {
	all := make([]processMetrics, len(u.kinds))
	for i, kind := range u.kinds {
		all[i] = processMetrics{kind.name, slices.Concat(kind.ran.Collect(), kind.memory.Collect())}
	}
	return all
}

// running are the processes of the daemon, of its engines, and the recorder of its folder, whoever started that.
func (d *daemon) running() []one {
	all := []one{{daemonProcess, os.Getpid()}}
	for _, m := range d.engines.Open() {
		if m.Running {
			all = append(all, one{engineProcess, m.PID})
		}
	}
	if holder, held := recording.Holder(d.recorder.Folder().Dir()); held && holder.PID > 0 {
		all = append(all, one{recorderProcess, holder.PID})
	}
	return all
}
