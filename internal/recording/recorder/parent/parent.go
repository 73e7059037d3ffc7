// Package parent is the process above a recorder: a few hundred kilobytes without audio, whose only task is to restart
// the recorder when it dies. It is the same program as the recorder; the decision is made before any part of the
// recorder is created.
//
// The two share a little memory, in which the child keeps its order, and two pipes, from which each learns when the
// other ends. The child needs no parent: if the parent is killed, the child starts another one.
// docs/adr/0030-recorder-parent.md.
package parent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// Log events of a parent.
const (
	eventRecorderDied    = "recorder_died"
	eventRecorderGivenUp = "recorder_given_up"
	eventGroupLeft       = "recorder_group_left"
	eventGroupShared     = "recorder_group_shared"
)

// roleVariable in the environment says what the program is: a child, or a parent for a recorder that lost its own.
// Without it, the program is a parent that starts a child.
const (
	roleVariable = "SCOUT_RECORDER_ROLE"
	roleChild    = "child"
	roleGuard    = "guard"
)

// Descriptors that a child inherits. A guard inherits them too, with the other ends of the pipes.
const (
	memoryFD = 3 + iota
	downFD   // from the parent: a byte asks the child to end; the end of the pipe means that the parent has ended
	upFD     // from the child: the end of the pipe means that the child has ended
)

const (
	// lockWithin is how long a parent waits for one that is just ending. A stopped parent that holds the lock prevents
	// nobody from recording.
	lockWithin = time.Second
	// The pause before a dead recorder is restarted: none at first, then doubling from firstPause to maxPause, until
	// one has lived for settled. A recording that broke off more than giveUpAfter ago is not continued.
	firstPause  = 50 * time.Millisecond
	maxPause    = 2 * time.Second
	settled     = time.Second
	giveUpAfter = 10 * time.Minute
)

// Options say how to start a child.
type Options struct {
	// Dir is the folder of recordings; empty if there is none, which the child reports.
	Dir string
	// ParentArgs and ChildArgs are the arguments of the two programs, without the program's name.
	ParentArgs, ChildArgs []string
	// Log makes the logger for the few lines that a parent writes.
	Log func() *slog.Logger
}

// Begin decides what this process is: a child, whose link it returns, or a parent, whose Run must then be called.
// Nothing that takes memory may be done before it. main makes the settings for the whole process (garbage collection,
// processors, signals, the working directory).
func Begin(options Options) (*Link, *Parent) {
	role := os.Getenv(roleVariable)
	_ = os.Unsetenv(roleVariable) // it fails only for invalid names
	if role == roleChild {
		return newLink(options), nil
	}
	return nil, &Parent{options: options, guard: role == roleGuard, ending: make(chan struct{})}
}

// Parent is the process above a recorder.
type Parent struct {
	options Options
	guard   bool     // of a recorder that lost its parent
	lock    *os.File // held until the process ends; nil if there is none
	memory  *os.File
	up      *os.File // read end
	process *os.Process
	began   time.Time // of the child
	trouble time.Time // since when children have died before they settled
	ending  chan struct{}

	mu   sync.Mutex
	down *os.File // write end; nil without a child
}

// Run starts the recorder and restarts it when it dies, until it has ended normally or was asked to end. It returns the
// exit code.
func (p *Parent) Run() int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-asked
		p.mu.Lock()
		defer p.mu.Unlock()
		close(p.ending)
		if p.down != nil {
			_, _ = p.down.Write([]byte{0}) // if the child is gone, nothing has to be done
		}
	}()
	if !p.guard { // a guard is where its recorder is
		p.leave()
	}
	if !p.takeLock() {
		return 1
	}
	if err := p.begin(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "scout-recorder: start the recorder: %v\n", err) // there is no other way to report it
		return 1
	}
	for failures := 0; ; {
		_ = footprint.ReturnStartupPages() // it only saves memory
		code, how := p.wait()
		if code == 0 || p.toldToEnd() || !underWay(p.memory) {
			return code
		}
		if time.Since(p.began) > settled {
			failures = 0
		}
		if failures == 0 {
			p.trouble = time.Now()
		}
		var ok bool
		if failures, ok = p.again(how, failures); !ok {
			return 1
		}
	}
}

// leave moves this process out of the control groups of the program that started it, if it may, and logs the result once. A failure
// does not keep a recording from beginning.
func (p *Parent) leave() {
	left := controlgroup.Leave(p.options.Dir)
	if len(left.Into) > 0 {
		p.options.Log().Info(eventGroupLeft, slog.String("into", strings.Join(left.Into, " ")))
	}
	if len(left.Shared) > 0 {
		p.options.Log().Info(eventGroupShared, slog.String(observe.KeyReason, errors.Join(left.Shared...).Error()))
	}
}

// begin starts the first child, or takes over the one for which this process was started.
func (p *Parent) begin() (err error) {
	runtime.LockOSThread() // permanently: a child inherits from this thread
	beLazy()
	if !p.guard {
		if p.memory, err = makeMemory(); err != nil {
			return err
		}
		return p.start()
	}
	for _, fd := range []int{memoryFD, downFD, upFD} {
		syscall.CloseOnExec(fd)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.memory, p.down, p.up = os.NewFile(memoryFD, "memory"), os.NewFile(downFD, "down"), os.NewFile(upFD, "up")
	p.began = time.Now()
	if p.toldToEnd() {
		_, _ = p.down.Write([]byte{0}) // the end was requested before the child was known
	}
	return nil
}

// again starts a child in place of one that died, after the necessary pause.
func (p *Parent) again(how string, failures int) (int, bool) {
	defer runtime.GC()
	log := p.options.Log()
	for {
		if failures > 0 && time.Since(p.trouble) > giveUpAfter {
			log.Error(eventRecorderGivenUp, slog.String(observe.KeyReason, how), slog.Int(observe.KeyAttempt, failures))
			return failures, false
		}
		pause := time.Duration(0)
		if failures > 0 {
			pause = min(firstPause<<min(failures-1, 10), maxPause)
		}
		failures++
		log.Warn(eventRecorderDied, slog.String(observe.KeyReason, how), slog.Int(observe.KeyAttempt, failures), slog.Int64("pause_ms", pause.Milliseconds()))
		timer := time.NewTimer(pause)
		select {
		case <-p.ending:
			timer.Stop()
			return failures, false
		case <-timer.C:
		}
		err := p.start()
		if err == nil {
			return failures, true
		}
		how = err.Error() // raw text: the parent stays too small for the root package
	}
}

// start starts a child.
func (p *Parent) start() error {
	down, up, childDown, childUp, err := pipes()
	if err != nil {
		return err
	}
	process, err := os.StartProcess(program(), append([]string{os.Args[0]}, p.options.ChildArgs...), &os.ProcAttr{
		Env:   append(os.Environ(), roleVariable+"="+roleChild),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, p.memory, childDown, childUp},
		Sys:   &syscall.SysProcAttr{Setpgid: true}, // a signal to its process group leaves this process alive
	})
	_, _ = childDown.Close(), childUp.Close() // the child has its own
	if err != nil {
		_, _ = down.Close(), up.Close() // nothing was written
		return err
	}
	p.up, p.process, p.began = up, process, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if p.toldToEnd() {
		_, _ = down.Write([]byte{0}) // the end was requested while there was no child
	}
	return nil
}

// wait returns when the child has ended: its exit code, and how in words. The exit code of a child that another parent
// started is not known; the memory says what is needed.
func (p *Parent) wait() (code int, how string) {
	_, _ = p.up.Read(make([]byte, 1)) // nothing is ever written: the read ends with the child
	p.mu.Lock()
	_, _ = p.up.Close(), p.down.Close() // nobody has the other ends
	p.down = nil
	p.mu.Unlock()
	if p.process == nil {
		return 1, "unknown"
	}
	state, err := p.process.Wait()
	if err != nil {
		return 1, err.Error() // raw text: as above
	}
	if code = state.ExitCode(); code < 0 {
		code = 1
	}
	return code, state.String()
}

func (p *Parent) toldToEnd() bool {
	select {
	case <-p.ending:
		return true
	default:
		return false
	}
}

// takeLock takes the lock of the folder's parent; false if another parent has a recorder for the folder. If the lock is
// not available at all, the parent works without it: the recorder has its own.
func (p *Parent) takeLock() bool {
	if p.options.Dir == "" {
		return true
	}
	// Not by atomicfile: it is a lock, and must stay the same file.
	f, err := os.OpenFile(filepath.Join(p.options.Dir, recording.ParentLockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return true
	}
	for deadline := time.Now().Add(lockWithin); ; {
		got, err := filelock.Try(f)
		if got || err != nil {
			p.lock = f
			return true
		}
		if time.Now().After(deadline) {
			p.lock = f
			// Where another parent is suspended or about to end, this one gets the lock as soon as that one has ended: while there is
			// a parent, clients must see it.
			go func() { _ = filelock.Wait(f) }() // ends with the process, at the latest
			return true
		}
		select {
		case <-p.ending:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// pipes makes the two pipes: the parent's ends, then the child's.
func pipes() (down, up, childDown, childUp *os.File, err error) {
	childDown, down, err = os.Pipe()
	if err != nil {
		return nil, nil, nil, nil, err
	}
	up, childUp, err = os.Pipe()
	if err != nil {
		return nil, nil, nil, nil, errors.Join(err, childDown.Close(), down.Close())
	}
	return down, up, childDown, childUp, nil
}

// Link is the child's end. A nil Link belongs to a recorder without a parent: nobody restarts it.
type Link struct {
	options Options
	memory  *os.File
	down    *os.File // read end
	up      *os.File // write end, held and never used
	pid     int
}

func newLink(options Options) *Link {
	for _, fd := range []int{memoryFD, downFD, upFD} {
		syscall.CloseOnExec(fd)
	}
	return &Link{
		options: options, pid: os.Getppid(),
		memory: os.NewFile(memoryFD, "memory"), down: os.NewFile(downFD, "down"), up: os.NewFile(upFD, "up"),
	}
}

// PID returns the process id of the parent that started this process; 0 if there is none.
func (l *Link) PID() int {
	if l == nil {
		return 0
	}
	return l.pid
}

// UnderWay returns the content that was kept last; nil if there is none.
func (l *Link) UnderWay() []byte {
	if l == nil {
		return nil
	}
	content, _ := readMemory(l.memory)
	return content
}

// Keep keeps the current order for the next child, in case this one dies; nil if there is none.
func (l *Link) Keep(content []byte) error {
	if l == nil {
		return nil
	}
	return writeMemory(l.memory, content)
}

// Run watches the parent until the process ends. When the parent asks, Run calls end; when the parent dies, Run starts
// another one. It returns an error if the process has to continue without a parent.
func (l *Link) Run(end func()) error {
	for pause := time.Duration(0); ; {
		n, err := l.down.Read(make([]byte, 1))
		if n > 0 {
			end()
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("watch the parent: %w", err)
		}
		time.Sleep(pause) // a parent that is killed repeatedly must not overload the machine
		pause = maxPause
		if err := l.startGuard(); err != nil {
			return fmt.Errorf("start another parent: %w", err)
		}
	}
}

// startGuard starts a parent for this process.
func (l *Link) startGuard() error {
	down, up, ownDown, ownUp, err := pipes()
	if err != nil {
		return err
	}
	process, err := os.StartProcess(program(), append([]string{os.Args[0]}, l.options.ParentArgs...), &os.ProcAttr{
		Env:   append(os.Environ(), roleVariable+"="+roleGuard),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, l.memory, down, up},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	_, _ = down.Close(), up.Close() // the guard has its own
	if err != nil {
		_, _ = ownDown.Close(), ownUp.Close() // nothing was written
		return err
	}
	_, _ = l.down.Close(), l.up.Close() // nobody has the other ends
	l.down, l.up = ownDown, ownUp
	go func() { _, _ = process.Wait() }() // ends with the guard and disturbs nobody until then
	return nil
}
