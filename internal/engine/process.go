package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
)

// child is one running engine process. It is created by startChild with its model loaded, and is
// dead for good after the first failure of its pipe: callers then start another one.
type child struct {
	cmd    *exec.Cmd
	hello  wire.Hello
	out    *wire.Writer
	pipe   io.Closer // write end: closing it asks the process to end
	stderr *tail
	proc   *process.Process

	dead chan struct{} // closed once the process is reaped
	err  error         // why it died; valid after dead

	mu      sync.Mutex
	nextID  uint64
	waiting map[uint64]chan answer
	killErr error // why we killed it, takes the place of how it looked
	closing bool  // its end was asked for
}

type answer struct {
	result *scout.Hypothesis
	err    error
}

// exitNoLoader is what the dynamic loader exits with where a shared library is missing.
const exitNoLoader = 127

// startChild starts the engine's program, has it load the model and waits for its hello, until ctx ends or the options'
// LoadTimeout. On failure nothing is left running.
func startChild(ctx context.Context, scope observe.Scope, options *Options, load wire.Load) (*child, error) {
	program := options.Program
	requestRead, requestWrite, err := os.Pipe()
	if err != nil {
		return nil, scout.Errorf(scout.CodeEngineStart, "create request pipe: %w", err)
	}
	answerRead, answerWrite, err := os.Pipe()
	if err != nil {
		closeAll(requestRead, requestWrite)
		return nil, scout.Errorf(scout.CodeEngineStart, "create answer pipe: %w", err)
	}
	stderr := &tail{log: scope.Log()}
	cmd := exec.Command(program)
	cmd.ExtraFiles = []*os.File{requestRead, answerWrite} // descriptors 3 and 4 of the child
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.Env = childEnv(os.Environ(), options.HugePages)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // a grandchild that keeps stderr open must not keep us waiting
	err = cmd.Start()
	closeAll(requestRead, answerWrite)
	if err != nil {
		closeAll(requestWrite, answerRead)
		return nil, startError(program, err)
	}
	c := &child{
		cmd: cmd, out: wire.NewWriter(requestWrite), pipe: requestWrite, stderr: stderr,
		dead: make(chan struct{}), waiting: map[uint64]chan answer{},
	}
	if c.proc, err = process.NewProcess(int32(cmd.Process.Pid)); err != nil {
		scope.Log().Debug("engine_not_measurable", slog.String(observe.KeyError, err.Error()))
	}
	hello := make(chan greeting, 1)
	go c.read(answerRead, hello)

	timer := time.NewTimer(options.LoadTimeout)
	defer timer.Stop()
	// A pipe that is broken, or that read has closed already, is a process that ended: why is known once it is reaped.
	err = c.out.Write(wire.KindLoad, 0, wire.AppendJSON(load))
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, fs.ErrClosed) {
		c.kill(scout.Errorf(scout.CodeEngineStart, "send model to engine: %w", err))
	}
	select {
	case h := <-hello:
		return c.greeted(h)
	case <-c.dead:
		select {
		case h := <-hello: // it told why before it ended
			return c.greeted(h)
		default:
			return nil, c.startFailure(program)
		}
	case <-timer.C:
		c.kill(scout.Errorf(scout.CodeEngineLoadTimeout, "engine not ready within %s", options.LoadTimeout))
	case <-ctx.Done():
		c.kill(fmt.Errorf("start engine: %w", context.Cause(ctx)))
	}
	<-c.dead
	return nil, c.err
}

// greeted ends the start: with a child whose hello is in order, or with the reason and no process.
func (c *child) greeted(h greeting) (*child, error) {
	if h.err == nil {
		h.err = checkHello(h.hello)
	}
	if h.err != nil {
		c.kill(h.err)
		<-c.dead
		return nil, h.err
	}
	c.hello = h.hello
	return c, nil
}

// childEnv bounds how much freed memory the C library of the child keeps. Measured with
// moonshine-tiny-en: 30-60 MB less resident at equal speed (docs/adr/0002-engine-process.md).
func childEnv(env []string, hugePages bool) []string {
	env = append(env,
		"MALLOC_ARENA_MAX=1",
		"MALLOC_MMAP_THRESHOLD_=1073741824",
		"MALLOC_TRIM_THRESHOLD_=1073741824",
	)
	if !hugePages {
		return env
	}
	// 1 is madvise(2); see "Memory Allocation Tunables" in the manual of glibc. Other C libraries do not look at it.
	const tunables, ask = "GLIBC_TUNABLES=", "glibc.malloc.hugetlb=1"
	for _, variable := range env {
		if set, ok := strings.CutPrefix(variable, tunables); ok && set != "" {
			return append(env, variable+":"+ask)
		}
	}
	return append(env, tunables+ask)
}

func startError(program string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return scout.Errorf(scout.CodeEngineMissing, "engine program %s not found", program)
	}
	if errors.Is(err, fs.ErrPermission) {
		return scout.Errorf(scout.CodeEngineMissing, "engine program %s may not be run: %w", program, err)
	}
	return scout.Errorf(scout.CodeEngineStart, "start %s: %w", program, err)
}

// startFailure explains a process that ended before its hello.
func (c *child) startFailure(program string) error {
	if c.cmd.ProcessState != nil && c.cmd.ProcessState.ExitCode() == exitNoLoader {
		return scout.Errorf(scout.CodeEngineMissing, "engine program %s cannot start: %s", program, lastLine(c.stderr.String()))
	}
	if c.killErr != nil {
		return c.err
	}
	return scout.Errorf(scout.CodeEngineStart, "engine ended while loading the model: %w", c.err)
}

func checkHello(h wire.Hello) error {
	switch {
	case h.Protocol != wire.ProtocolVersion:
		return scout.Errorf(scout.CodeEngineProtocol, "engine speaks protocol %d: want %d", h.Protocol, wire.ProtocolVersion)
	case h.SampleRateHz != scout.EngineSampleRateHz:
		return scout.Errorf(scout.CodeEngineProtocol, "engine wants %d Hz: have %d", h.SampleRateHz, scout.EngineSampleRateHz)
	case h.MaxFrames <= 0 || h.Lanes <= 0:
		return scout.Errorf(scout.CodeEngineProtocol, "engine takes %d frames in %d lanes", h.MaxFrames, h.Lanes)
	}
	return nil
}

type greeting struct {
	hello wire.Hello
	err   error
}

// read dispatches answers until the pipe ends or the engine babbles, then reaps the process and
// fails whoever still waits. It is the only goroutine that reaps.
func (c *child) read(pipe io.ReadCloser, hello chan<- greeting) {
	frames := wire.NewReader(pipe)
	var reason error
	for {
		frame, err := frames.Next()
		if err == nil {
			err = c.dispatch(frame, hello)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			reason = err
			break
		}
	}
	closeAll(pipe, c.pipe)
	if reason != nil {
		c.kill(reason)
	}
	c.reap()
}

// dispatch hands a frame to whoever waits for it. Answers to requests that nobody waits for any
// more (cancelled ones) are dropped.
func (c *child) dispatch(frame wire.Frame, hello chan<- greeting) error {
	switch frame.Kind {
	case wire.KindHello:
		h, err := wire.DecodeJSON[wire.Hello](frame.Body)
		if err != nil {
			return err
		}
		select {
		case hello <- greeting{hello: h}:
			return nil
		default:
			return scout.Errorf(scout.CodeEngineProtocol, "engine said hello twice")
		}
	case wire.KindResult:
		r, err := wire.DecodeJSON[*wire.Result](frame.Body)
		if err != nil {
			return err
		}
		if r == nil {
			return scout.Errorf(scout.CodeEngineProtocol, "engine sent an empty result")
		}
		c.deliver(frame.ID, answer{result: r.Hypothesis()})
	case wire.KindFailure:
		f, err := wire.DecodeJSON[wire.Failure](frame.Body)
		if err != nil {
			return err
		}
		if frame.ID == 0 {
			select {
			case hello <- greeting{err: f.Err()}:
				return nil
			default:
				return f.Err()
			}
		}
		c.deliver(frame.ID, answer{err: f.Err()})
	case wire.KindPong:
		c.deliver(frame.ID, answer{})
	default:
		return scout.Errorf(scout.CodeEngineProtocol, "engine sent a frame of kind %d", frame.Kind)
	}
	return nil
}

func (c *child) deliver(id uint64, a answer) {
	c.mu.Lock()
	waiter, ok := c.waiting[id]
	delete(c.waiting, id)
	c.mu.Unlock()
	if ok {
		waiter <- a // buffered
	}
}

// reap waits for the process, which has closed its pipe or was killed. One that closed its pipe
// without ending is killed.
func (c *child) reap() {
	exited := make(chan error, 1)
	go func() { exited <- c.cmd.Wait() }()
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	var waitErr error
	select {
	case waitErr = <-exited:
	case <-timer.C:
		c.kill(scout.Errorf(scout.CodeEngineCrashed, "engine closed its pipe and went on running"))
		waitErr = <-exited
	}
	c.mu.Lock()
	c.err = c.cause(waitErr)
	left := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	close(c.dead)
	for _, waiter := range left {
		waiter <- answer{err: c.err}
	}
}

// closeGrace is how long a process may take to end after its pipe closed.
const closeGrace = 2 * time.Second

// cause is why the process is dead. Called with the lock held.
func (c *child) cause(waitErr error) error {
	switch {
	case c.killErr != nil:
		if said := lastLine(c.stderr.String()); said != "" && !errors.Is(c.killErr, context.Canceled) {
			return fmt.Errorf("%w (it said: %s)", c.killErr, said)
		}
		return c.killErr
	case c.closing:
		return scout.Errorf(scout.CodeEngineClosed, "engine was stopped")
	}
	how := "exit status 0"
	if waitErr != nil {
		how = waitErr.Error()
	}
	if said := c.stderr.String(); said != "" {
		return scout.Errorf(scout.CodeEngineCrashed, "engine ended: %s; it said: %s", how, said)
	}
	return scout.Errorf(scout.CodeEngineCrashed, "engine ended: %s", how)
}

// kill ends the process at once; reason is what its callers will see. The first reason stays.
func (c *child) kill(reason error) {
	c.mu.Lock()
	if c.killErr == nil && !c.closing {
		c.killErr = reason
	}
	c.mu.Unlock()
	// The process group takes whatever the native library may have started with it. An error means
	// that the process is gone already.
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
}

// stop asks the process to end by closing its pipe and waits for it; it is killed after a grace.
func (c *child) stop() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	closeAll(c.pipe)
	timer := time.NewTimer(closeGrace)
	defer timer.Stop()
	select {
	case <-c.dead:
	case <-timer.C:
		c.kill(nil)
		<-c.dead
	}
}

// drain lets requests that are under way finish, then stops the process.
func (c *child) drain() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for c.pending() > 0 {
		select {
		case <-c.dead:
			return
		case <-tick.C:
		}
	}
	c.stop()
}

// pending is the number of requests without an answer.
func (c *child) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// alive is true while the process has not been reaped.
func (c *child) alive() bool {
	select {
	case <-c.dead:
		return false
	default:
		return true
	}
}

// send registers a waiter and writes the frame without blocking the caller: a process that does
// not read its pipe is killed by whoever waits, which ends the write. The channel gets exactly one
// answer, also when the process dies. body must stay unchanged until then.
func (c *child) send(kind wire.Kind, body func([]byte) ([]byte, error)) (uint64, <-chan answer) {
	waiter := make(chan answer, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		waiter <- answer{err: c.err}
		return 0, waiter
	}
	c.nextID++
	id := c.nextID
	c.waiting[id] = waiter
	go func() {
		err := c.out.Write(kind, id, body)
		switch {
		case err == nil:
		case scout.CodeOf(err) == scout.CodeInvalidArgument:
			c.deliver(id, answer{err: err}) // refused before anything was written
		default:
			c.kill(scout.Errorf(scout.CodeEngineCrashed, "engine takes no requests: %w", err))
		}
	}()
	return id, waiter
}

// cancel asks the process to stop working on a request.
func (c *child) cancel(id uint64) {
	go func() {
		_ = c.out.Write(wire.KindCancel, id, nil) // a broken pipe is seen by read
	}()
}

// residentBytes is the memory of the process in RAM, 0 where it cannot be read.
func (c *child) residentBytes() uint64 {
	if c.proc == nil || !c.alive() {
		return 0
	}
	info, err := c.proc.MemoryInfo()
	if err != nil {
		return 0
	}
	return info.RSS
}

func lastLine(text string) string {
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// closeAll closes pipes whose close cannot lose data.
func closeAll(closers ...io.Closer) {
	for _, c := range closers {
		_ = c.Close()
	}
}
