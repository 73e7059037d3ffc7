package daemon

import (
	"context"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/mem"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/ladder"
	"github.com/scout-speech/scout/internal/recognize"
)

// newStrain makes the component that keeps Scout within its limits. Nothing of the daemon is used before it looks.
func (d *daemon) newStrain() *strain {
	s := newStrain(d.options.Scope, time.Now)
	s.machine, s.processors = machineMemory(), runtime.GOMAXPROCS(0)
	s.measure, s.apply = d.measure, d.reduce
	s.unload = func() bool { return d.engines.UnloadIdlest() }
	s.throttle = func(share float64) { d.engines.ThrottleBatch(share) }
	s.limits = func() (memoryMB, processorPercent int) {
		l := d.options.Settings.Limits
		return l.MemoryMB, l.CPUPercent
	}
	s.history = newStatusHistory(d.began)
	s.note = d.noteHistory(s.history)
	s.tell = func(step ladder.Step) {
		d.components.run("strain", func(ctx context.Context) error { // beside the next look: a locked database must not keep it back
			d.history.Note(ctx, "degradation.changed", "", map[string]any{"from": step.From, "level": step.To, "name": step.To.String(), "reason": step.Reason})
			return nil
		})
	}
	return s
}

// machineMemory is that of the machine, or less if the control groups allow less; 0 if it is not known.
func machineMemory() uint64 {
	limit := controlgroup.MemoryLimit()
	all, err := mem.VirtualMemory()
	if err == nil && (limit == 0 || all.Total < limit) {
		limit = all.Total
	}
	return limit
}

// measure looks at the processes.
func (d *daemon) measure() measured {
	m := measured{engines: d.engines.Open()}
	loading := false
	for i := range m.engines {
		e := &m.engines[i]
		loading = loading || !e.Loading.IsZero()
		m.busy = m.busy || e.Running || loading
	}
	m.memory, m.ran = d.use.look(d.running())
	m.busy = m.busy || d.dictations.Sessions() > 0
	if !loading { // text that waits for a model to be loaded is no sign of a machine that is too slow
		m.behind = d.dictations.Behind()
	}
	return m
}

// reduce does what a level of the ladder means.
func (d *daemon) reduce(state ladder.State) {
	level := state.Level
	ease := recognize.Ease{FastOnly: level >= ladder.Low, OneSlot: level >= ladder.NoLiveText}
	jobs := 0 // at the same time; 0 for as many as usual
	if level >= ladder.Medium {
		jobs = 1
	}
	if level >= ladder.RecordOnly {
		ease.Hold, jobs = scout.Errorf(scout.CodeEngineUnavailable, "no model is loaded, because the machine is short of memory").WithHint("%s", recordsOnlyHint), -1
	}
	d.engines.Ease(ease)
	d.jobs.Limit(jobs)
	d.backlog.Limit(jobs)
	d.dictations.TellDegradation()
}

// acceptable returns what is wrong with a request for a text, or why none is taken at present.
func (d *daemon) acceptable(ctx context.Context, request transcription.Request) error {
	if err := d.strain.refusal(); err != nil {
		return err
	}
	return d.texts.Acceptable(ctx, request)
}
