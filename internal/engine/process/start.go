package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
)

// DefaultLoadTimeout is how long a process may take to load its model by default.
const DefaultLoadTimeout = time.Minute

// Start starts the engine's program, makes it load the model and waits until it is ready, but no longer than ctx and
// LoadTimeout allow. On failure nothing is left running. The caller ends the process with Retire, Stop or Kill.
//
// Errors: engine_missing, engine_start_failed, engine_load_timeout, engine_protocol, out_of_memory,
// too_many_open_files, too_many_processes, the engine's own error about its model, and the code of ctx's cause.
func Start(ctx context.Context, scope observe.Scope, o Options) (*Process, error) {
	if o.LoadTimeout <= 0 {
		o.LoadTimeout = DefaultLoadTimeout
	}
	if o.SuspectAfter <= 0 {
		o.SuspectAfter = DefaultSuspectAfter
	}
	timer := time.NewTimer(o.LoadTimeout)
	defer timer.Stop()
	p, err := launch(scope, o)
	if err != nil {
		return nil, err
	}
	looks := time.NewTicker(LookEvery)
	defer looks.Stop()
	for waits := true; waits; {
		select {
		case h := <-p.hello:
			return p.greeted(h)
		case <-p.dead:
			select {
			case h := <-p.hello: // it told why before it ended
				return p.greeted(h)
			default:
				return nil, p.err
			}
		case <-looks.C:
			if err := p.Hung(); err != nil {
				p.Kill(scout.Errorf(scout.CodeEngineLoadTimeout, "the engine does not get ready: %w", err))
				waits = false
			}
		case <-timer.C:
			p.Kill(scout.Errorf(scout.CodeEngineLoadTimeout, "the engine was not ready within %s s", seconds(o.LoadTimeout)))
			waits = false
		case <-ctx.Done():
			p.Kill(fmt.Errorf("start engine: %w", context.Cause(ctx)))
			waits = false
		}
	}
	<-p.dead
	return nil, p.err
}

// launch starts the program and the goroutines around it.
func launch(scope observe.Scope, o Options) (*Process, error) {
	requestRead, requestWrite, err := os.Pipe()
	if err != nil {
		return nil, startError(o.Program, err)
	}
	answerRead, answerWrite, err := os.Pipe()
	if err != nil {
		closeAll(requestRead, requestWrite)
		return nil, startError(o.Program, err)
	}
	stderr := &tail{log: scope.Log()}
	cmd := exec.Command(o.Program)
	cmd.ExtraFiles = []*os.File{requestRead, answerWrite} // descriptors 3 and 4 of the child
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.Env = childEnv(os.Environ(), o.HugePages)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // a grandchild that keeps stderr open must not block the wait
	err = cmd.Start()
	closeAll(requestRead, answerWrite)
	if err != nil {
		closeAll(requestWrite, answerRead)
		return nil, startError(o.Program, err)
	}
	p := &Process{
		scope: scope, options: o, cmd: cmd, stderr: stderr,
		out: wire.NewWriter(requestWrite), requests: requestWrite, answers: answerRead,
		hello: make(chan greeting, 1), dead: make(chan struct{}), read: make(chan struct{}), wake: make(chan struct{}, 1),
		waiting: map[uint64]*Call{}, pid: cmd.Process.Pid, clock: Clock{Every: LookEvery},
	}
	offer(cmd.Process.Pid, scope.Log())
	if p.measured, err = process.NewProcess(int32(cmd.Process.Pid)); err != nil {
		scope.Log().Debug(eventEngineNotMeasurable, slog.String(observe.KeyError, err.Error()))
	}
	p.queue = append(p.queue, &outgoing{kind: wire.KindLoad, body: wire.AppendJSON(wire.Load{
		Backend: o.Backend, ModelID: o.Model.ID, Family: o.Model.Family, Languages: o.Model.Languages, Files: o.Model.Files,
		Threads: max(o.Threads, 1), Slots: o.Slots, Profile: o.Profile, Background: o.Background,
	})})
	p.run()
	return p, nil
}

// offered is added to the engine's badness, so that a system that runs out of memory kills the engine and not the
// recorder: proc_pid_oom_score_adj(5).
const offered, worst = 500, 1000

// offer makes the process the first to be killed when memory runs out. Raising the value needs no privilege.
func offer(pid int, log *slog.Logger) {
	const own = "/proc/self/oom_score_adj"
	text, err := os.ReadFile(own)
	if err != nil {
		return // not Linux
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		// Not by atomicfile: it is a request to the kernel.
		err = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", strconv.AppendInt(nil, int64(min(now+offered, worst)), 10), 0o644)
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, os.ErrNotExist) { // it may have ended already
		log.Debug(eventEngineNotOffered, slog.String(observe.KeyError, err.Error()))
	}
}

// greeting is the first message of the engine.
type greeting struct {
	facts Facts
	err   error
}

// greeted ends the start: it returns the process if its hello is valid, else the reason.
func (p *Process) greeted(g greeting) (*Process, error) {
	if g.err != nil {
		p.Kill(g.err)
		<-p.dead
		return nil, g.err
	}
	p.mu.Lock()
	p.facts, p.ready = g.facts, true
	p.mu.Unlock()
	return p, nil
}

// seconds formats a duration for people.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func checkHello(h wire.Hello) error {
	switch {
	case h.Protocol != wire.ProtocolVersion:
		return scout.Errorf(scout.CodeEngineProtocol, "engine speaks protocol %d: want %d", h.Protocol, wire.ProtocolVersion)
	case h.SampleRateHz != scout.EngineSampleRateHz:
		return scout.Errorf(scout.CodeEngineProtocol, "engine wants %d Hz: have %d", h.SampleRateHz, scout.EngineSampleRateHz)
	case h.MaxFrames <= 0 || h.Slots <= 0:
		return scout.Errorf(scout.CodeEngineProtocol, "engine takes %d frames in %d slots", h.MaxFrames, h.Slots)
	}
	return nil
}

// childEnv limits how much freed memory the C library of the child keeps. Measured with moonshine-tiny-en: 30-60 MB
// less resident at equal speed (docs/adr/0002-engine-process.md).
func childEnv(env []string, hugePages bool) []string {
	env = append(env,
		"MALLOC_ARENA_MAX=1",
		"MALLOC_MMAP_THRESHOLD_=1073741824",
		"MALLOC_TRIM_THRESHOLD_=1073741824",
	)
	if !hugePages {
		return env
	}
	// 1 is madvise(2); see "Memory Allocation Tunables" in the manual of glibc. Other C libraries ignore it.
	const tunables, ask = "GLIBC_TUNABLES=", "glibc.malloc.hugetlb=1"
	for _, variable := range env {
		if set, ok := strings.CutPrefix(variable, tunables); ok && set != "" {
			return append(env, variable+":"+ask)
		}
	}
	return append(env, tunables+ask)
}

// closeAll closes pipes whose close cannot lose data.
func closeAll(closers ...io.Closer) {
	for _, c := range closers {
		_ = c.Close()
	}
}
