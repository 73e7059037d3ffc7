package bench

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// memoryInterval is the time between two samples. An engine's arena grows within a decode of 100 ms and more.
// Memory.Bound limits what is missed between samples.
const memoryInterval = 20 * time.Millisecond

// Memory is the resident memory of a process and all its descendants.
type Memory struct {
	// Peak is the largest sum over the processes seen at one time, in bytes. Pages that processes share
	// (program text, mapped files) count once for each.
	Peak int64 `json:"peak_bytes"`
	// Bound is an upper bound of the true peak: the largest sum of the peaks that the kernel keeps for each process. It
	// equals Peak on systems that keep none.
	Bound int64 `json:"bound_bytes"`
	// Samples is the number of samples taken.
	Samples int `json:"samples"`
	// Processes are the peaks of processes by name, the largest first.
	Processes []ProcessMemory `json:"processes"`
}

// ProcessMemory is the peak of one program; of several processes of that name it is the largest.
type ProcessMemory struct {
	Name string `json:"name"`
	Peak int64  `json:"peak_bytes"`
}

// process is one process at one time, in bytes.
type process struct {
	name          string
	resident, top int64
}

// MemoryWatch samples the memory of a process tree from StartMemory to Stop.
type MemoryWatch struct {
	read func() []process
	stop chan struct{}
	done chan struct{}
	once sync.Once

	// Owned by the sampling goroutine until done is closed.
	memory Memory
	byName map[string]int64
}

// StartMemory begins to watch the process pid and its descendants, including those that start later. Each sample takes
// about half a millisecond of CPU. The caller must call Stop.
//
//	except  processes that are left out, with their descendants
func StartMemory(pid int, except ...int) *MemoryWatch {
	w := &MemoryWatch{
		read:   func() []process { return processTree(pid, except) },
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		byName: map[string]int64{},
	}
	go w.run()
	return w
}

// run ends when Stop is called, after a last sample.
func (w *MemoryWatch) run() {
	defer close(w.done)
	ticks := time.NewTicker(memoryInterval)
	defer ticks.Stop()
	for {
		w.sample()
		select {
		case <-ticks.C:
		case <-w.stop:
			w.sample()
			return
		}
	}
}

func (w *MemoryWatch) sample() {
	var sum, bound int64
	for _, p := range w.read() {
		sum += p.resident
		bound += max(p.top, p.resident)
		w.byName[p.name] = max(w.byName[p.name], p.top, p.resident)
	}
	w.memory.Samples++
	w.memory.Peak = max(w.memory.Peak, sum)
	w.memory.Bound = max(w.memory.Bound, bound)
}

// Stop takes a last sample, ends the watch and returns the result. It may be called again.
func (w *MemoryWatch) Stop() Memory {
	w.once.Do(func() { close(w.stop) })
	<-w.done
	m := w.memory
	m.Processes = make([]ProcessMemory, 0, len(w.byName))
	for name, peak := range w.byName {
		m.Processes = append(m.Processes, ProcessMemory{name, peak})
	}
	slices.SortFunc(m.Processes, func(a, b ProcessMemory) int {
		return cmp.Or(cmp.Compare(b.Peak, a.Peak), cmp.Compare(a.Name, b.Name))
	})
	return m
}

// tree returns pid and its descendants without those of except, given the children of a process.
func tree(pid int, except []int, children func(pid int) []int) []int {
	seen := map[int]struct{}{pid: {}}
	queue := []int{pid}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		for _, c := range children(p) {
			if _, ok := seen[c]; !ok && !slices.Contains(except, c) {
				seen[c] = struct{}{}
				queue = append(queue, c)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
