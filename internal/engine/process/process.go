package process

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/observe"
)

// Process is one running engine process with its model loaded. It is dead for good after the first failure, and callers
// then start another one. It is safe for concurrent use.
//
// Four goroutines belong to it: the writer sends queued frames in order; the reader delivers the answers; the waiter
// waits for the process to exit; the reaper ends the others. All end once the process does. If one of them fails,
// panics or hangs, nobody waits for ever: a request has a deadline, whose end kills the process, and a kill is final
// after killGrace, whatever the goroutines do.
type Process struct {
	scope    observe.Scope
	options  Options
	cmd      *exec.Cmd
	stderr   *tail
	measured *process.Process

	out      *wire.Writer
	requests *os.File // closing it asks the process to end
	answers  *os.File
	writing  atomic.Bool // the writer has a frame that is not wholly in the pipe
	handling atomic.Bool // the reader has a frame that it has not delivered yet
	hello    chan greeting
	spoke    bool // the reader has received hello, or the reason why there is none

	read   chan struct{} // closed once the reader ended
	dead   chan struct{} // closed once the process has ended, or has been given up
	err    error         // why; valid after dead
	settle sync.Once
	reaped atomic.Bool   // its number may belong to another process
	wake   chan struct{} // tells the writer that a frame is queued, or that it may end

	mu       sync.Mutex
	facts    Facts
	ready    bool
	nextID   uint64
	waiting  map[uint64]*Call // without an answer, in the queue or sent
	queue    []*outgoing
	killErr  error     // why we killed it; replaces the error of its exit
	closing  bool      // its end was requested
	retiring bool      // it takes no more requests and ends after its last answer
	worked   bool      // it has had a request
	cpu      int64     // milliseconds, when the process last made progress
	busy     time.Time // when that was
	pid      int
	clock    Clock
	silence  suspicion // since the last frame
}

// outgoing is a frame in the queue.
type outgoing struct {
	kind wire.Kind
	id   uint64
	body func([]byte) ([]byte, error)
	call *Call // the request in the frame, nil for other frames
}

// Names of the goroutines of a process, for Options.Fault.
const (
	goroutineWriter = "writer"
	goroutineReader = "reader"
	goroutineWaiter = "waiter"
	goroutineReaper = "reaper"
)

// Goroutines returns the names that Options.Fault is called with.
func Goroutines() []string {
	return []string{goroutineWriter, goroutineReader, goroutineWaiter, goroutineReaper}
}

const (
	// closeGrace is how long a process may take to end after its pipe closed.
	closeGrace = 2 * time.Second
	// killGrace is how long to wait for a killed process to disappear. It may wait for a disk, for example.
	killGrace = 3 * time.Second
)

// run starts the goroutines.
func (p *Process) run() {
	exited := make(chan error, 1)
	p.start(goroutineWriter, p.write, func(err error) {
		// A broken or closed pipe means that the process ended: the waiter knows why.
		if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, fs.ErrClosed) {
			p.Kill(scout.Errorf(scout.CodeEngineCrashed, "the engine accepts no requests: %w", err))
		}
	})
	p.start(goroutineReader, p.readAnswers, func(err error) {
		closeAll(p.answers, p.requests)
		if err != nil {
			p.Kill(err)
		}
		close(p.read)
	})
	p.start(goroutineWaiter, func() error {
		if err := p.fault(goroutineWaiter); err != nil {
			p.Kill(err)
		}
		err := p.cmd.Wait()
		p.reaped.Store(true)
		exited <- err
		return nil
	}, func(err error) {
		if err != nil { // there was a panic before it waited
			p.Kill(err)
			_ = p.cmd.Wait() // else what was killed stays as a zombie; the panic is the reason
			p.reaped.Store(true)
			exited <- err
		}
	})
	p.start(goroutineReaper, func() error { return p.reap(exited) }, func(err error) {
		if err != nil {
			p.Kill(err)
		}
		p.end(err)
	})
}

// start runs a goroutine of the process. end is called when it is over, with its error; a panic counts as an error.
func (p *Process) start(name string, work func() error, end func(error)) {
	go func() { end(p.guard(name, work)) }()
}

func (p *Process) guard(name string, work func() error) error {
	failures := p.options.Failures
	if failures == nil {
		failures = observe.NewFailures(observe.Scope{})
	}
	return failures.Guard("engine/"+name, work)
}

// fault is where tests break a goroutine.
func (p *Process) fault(goroutine string) error {
	if p.options.Fault == nil {
		return nil
	}
	return p.options.Fault(goroutine)
}

// reap waits for the end of the process. One that closed its pipe without ending is killed.
func (p *Process) reap(exited <-chan error) error {
	if err := p.fault(goroutineReaper); err != nil {
		return err
	}
	var waitErr error
	select {
	case waitErr = <-exited:
	case <-p.read:
		select {
		case waitErr = <-exited:
		case <-time.After(closeGrace):
			p.Kill(scout.Errorf(scout.CodeEngineCrashed, "the engine closed its pipe but kept running"))
			waitErr = <-exited
		}
	}
	select { // read what it wrote before it ended
	case <-p.read:
	case <-time.After(closeGrace):
	}
	p.end(waitErr)
	return nil
}

// end settles what the process leaves behind: all waiting calls get the reason. Only the first call has an effect.
func (p *Process) end(waitErr error) {
	p.settle.Do(func() {
		p.mu.Lock()
		p.err = p.cause(waitErr)
		left := p.waiting
		sent := 0
		for _, call := range left {
			if call.sent {
				sent++
			}
		}
		p.waiting, p.queue = nil, nil
		p.closing = true
		unsent := p.unsent()
		p.mu.Unlock()
		closeAll(p.requests, p.answers)
		close(p.dead)
		p.wakeWriter()
		for _, call := range left {
			if !call.sent {
				call.settle(Answer{Err: unsent})
				continue
			}
			call.settle(Answer{Err: &EndError{Err: p.err, Sent: true, Alone: sent == 1}})
		}
	})
}

// Kill ends the process at once. Its requests fail with reason. Only the first reason counts.
func (p *Process) Kill(reason error) {
	p.mu.Lock()
	if p.killErr == nil && !p.closing {
		p.killErr = reason
	}
	p.mu.Unlock()
	if !p.reaped.Load() {
		// The process group includes processes that the native library may have started. An error means that the
		// process is already gone.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	time.AfterFunc(killGrace, func() { p.end(reason) })
}

// Stop asks the process to end by closing its pipe and waits for it. After a grace period the process is killed. The
// requests that it has got fail with engine_closed, others with ErrRetired.
func (p *Process) Stop() {
	p.leave()
	<-p.dead
}

// Retire lets the process answer its requests and end. It takes no others: they fail with ErrRetired, also once it has
// ended. Retire returns at once; Dead is closed when the process has ended.
func (p *Process) Retire() {
	p.mu.Lock()
	last := !p.retiring && len(p.waiting) == 0
	p.retiring = true
	p.mu.Unlock()
	if last {
		p.leave()
	}
}

// leave asks the process to end, and kills it after a grace period.
func (p *Process) leave() {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	closeAll(p.requests)
	time.AfterFunc(closeGrace, func() {
		select {
		case <-p.dead:
		default:
			p.Kill(nil)
		}
	})
}

// Facts returns the facts of its model.
func (p *Process) Facts() Facts { return p.facts }

// Dead returns a channel that is closed once the process has ended.
func (p *Process) Dead() <-chan struct{} { return p.dead }

// Alive reports whether the process can take requests.
func (p *Process) Alive() bool {
	select {
	case <-p.dead:
		return false
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.leaving()
}

// ResidentBytes returns the memory of the process in RAM, 0 if it cannot be read.
func (p *Process) ResidentBytes() uint64 {
	select {
	case <-p.dead:
		return 0
	default:
	}
	if p.measured == nil {
		return 0
	}
	info, err := p.measured.MemoryInfo()
	if err != nil {
		return 0
	}
	return info.RSS
}

// Stalled returns how long a request has been running without progress, 0 if none runs. Progress is a step of a request
// that the process reports, a wait for a processor, or processor time if its backend reports no steps.
func (p *Process) Stalled() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := time.Duration(0)
	for _, call := range p.waiting {
		if call.sent {
			longest = max(longest, time.Since(call.progress))
		}
	}
	return longest
}
