package daemon

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
)

// processes measures Scout's processes. The use of a processor is that between two looks at a process.
type processes struct {
	mu   sync.Mutex
	seen map[int]look
}

// look is what was seen of a process.
type look struct {
	began   int64 // when the process began: another one may have its number later
	at      time.Time
	seconds float64  // of processors, since it began
	percent *float64 // of one processor, before that look
}

// shortestLook is how far two looks at a process have to be apart, for their difference to mean something.
const shortestLook = time.Second

// of describes a process; what the system does not tell is left out.
func (p *processes) of(name string, pid int) v1.Process {
	out := v1.Process{Name: name, PID: pid}
	one, err := process.NewProcess(int32(pid)) //nolint:gosec // a process id
	if err != nil {
		return out
	}
	if memory, err := one.MemoryInfo(); err == nil {
		out.RSSBytes = memory.RSS
	}
	times, err := one.Times()
	began, beganErr := one.CreateTime()
	if err != nil || beganErr != nil {
		return out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := look{began: began, at: time.Now(), seconds: times.User + times.System}
	before, known := p.seen[pid]
	if !known || before.began != began {
		before = look{began: began, at: time.UnixMilli(began)}
	}
	if passed := now.at.Sub(before.at); passed >= shortestLook {
		percent := max(0, 100*(now.seconds-before.seconds)/passed.Seconds())
		now.percent = &percent
	} else {
		now = before
	}
	if p.seen == nil {
		p.seen = make(map[int]look)
	}
	p.seen[pid] = now
	out.CPUPercent = now.percent
	return out
}

// forget removes what was seen of processes that are none of these any more.
func (p *processes) forget(all []v1.Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pid := range p.seen {
		gone := true
		for i := range all {
			gone = gone && all[i].PID != pid
		}
		if gone {
			delete(p.seen, pid)
		}
	}
}

// allProcesses are those of the daemon, of its engines, and the recorder of its folder, whoever started that.
func (d *daemon) allProcesses() []v1.Process {
	all := []v1.Process{d.processes.of("scout", os.Getpid())}
	for _, m := range d.engines.Open() {
		if m.Running {
			engine := d.processes.of("scout-engine", m.PID)
			engine.Model = m.ID
			all = append(all, engine)
		}
	}
	if holder, held := recording.Holder(d.recorder.Folder().Dir()); held && holder.PID > 0 {
		recorder := d.processes.of("scout-recorder", holder.PID)
		if apart, err := controlgroup.Apart(holder.PID); err == nil {
			recorder.ControlGroups, recorder.OwnSession = string(apart.Groups), &apart.OwnSession
		}
		all = append(all, recorder)
	}
	d.processes.forget(all)
	return all
}

// apart adds to the check of the recorder whether what is done to the daemon's control groups and session reaches it.
func apart(check health.Check, dir string) health.Check {
	probe := check.Probe
	check.Probe = func(ctx context.Context) health.Result {
		result := probe(ctx)
		holder, held := recording.Holder(dir)
		if !held || holder.PID <= 0 {
			return result
		}
		apart, err := controlgroup.Apart(holder.PID)
		if err != nil {
			return result // it has ended
		}
		if result.Metadata == nil {
			result.Metadata = make(map[string]string)
		}
		result.Metadata["control_groups"], result.Metadata["session"] = string(apart.Groups), "shared"
		if apart.OwnSession {
			result.Metadata["session"] = "own"
		}
		if result.Status == health.Healthy && result.Reason == "" {
			result.Reason = separationText(apart)
		}
		return result
	}
	return check
}

// separationText says what could end a recorder together with the daemon.
func separationText(a controlgroup.Separation) string {
	switch {
	case !a.OwnSession:
		return "the recorder is in the daemon's session: what ends all of it ends the recorder too"
	case a.Groups == controlgroup.SharedGroups:
		return "the recorder is in the daemon's control group: what ends all of it ends the recorder too"
	case a.Groups == controlgroup.OwnGroups:
		return "the recorder is in a control group and a session of its own"
	}
	return "the recorder is in a session of its own"
}
