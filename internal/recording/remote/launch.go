package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/outfile"
	"github.com/scout-speech/scout/internal/recording"
)

// LogName is the file in the folder of recordings for a recorder's output.
const LogName = "recorder.log"

// quickerWithin is how long the recorder of another launch, which was faster than ours, may take to answer.
const quickerWithin = 2 * time.Second

// maxLogBytes is the size from which the log is rotated at the next launch.
const maxLogBytes = 4 << 20

// LaunchOptions say how to start a recorder.
type LaunchOptions struct {
	Options
	// Program is scout-recorder; required to start one.
	Program string
	// Through is a program with its arguments that becomes Program, such as systemd-run --scope; nil for none. Where it fails, or has
	// not become Program within 3 s, Program is started without it.
	Through []string
	// Args are its arguments; nil for those that a recorder of the folder and the environment needs.
	Args []string
	// Env is the rest of the child's environment; nil for this program's own.
	Env []string
	// Environment is the environment in which the recorder is started. If it names no variables they are those of Env.
	Environment recording.Environment
	// Within bounds the time until the recorder answers, repairs included; default 30 s.
	Within time.Duration
}

// becomesWithin is how long LaunchOptions.Through may take to become the recorder. It asks a service manager, which may hang.
const becomesWithin = 3 * time.Second

// startsWithin is how long to wait for a starting recorder; it repairs the folder before it answers.
const startsWithin = 30 * time.Second

// comesBackWithin is how long to wait for a dead recorder whose parent restarts it.
const comesBackWithin = 2 * time.Second

// Attach connects to the recorder of the folder and starts one if none answers. The recorder is a separate process in
// its own session, so that Ctrl-C and the end of this program do not reach it; its output goes to LogName. If several
// programs launch at once, all attach to the recorder of the first.
func Attach(ctx context.Context, dir string, options LaunchOptions) (client *Client, launched bool, err error) {
	return new(launcher).attach(ctx, dir, options)
}

// launcher attaches to the recorders of one folder, one after the other. A recorder that it started stays when its caller stops waiting,
// since another program may use it already. The next call waits for that recorder and starts no second one: the slower of
// the two would take the folder when the first had ended and nobody expected a recorder any more.
//
// One goroutine at a time may use it.
type launcher struct {
	started *child // it has not answered yet; nil for none
}

// attach is Attach.
func (l *launcher) attach(ctx context.Context, dir string, options LaunchOptions) (client *Client, launched bool, err error) {
	if options.Within <= 0 {
		options.Within = startsWithin
	}
	client, err = awaitRecorder(ctx, dir, options.Options, map[absence]time.Duration{starting: options.Within, returning: comesBackWithin, deaf: comesBackWithin})
	if _, silent := silentPID(err); err == nil || silent || scout.CodeOf(err) != scout.CodeRecorderUnreachable {
		return client, false, err
	}
	if why, _ := absent(dir); why == halted {
		return nil, false, unreachable(dir, err)
	}
	within, cancel := context.WithTimeoutCause(ctx, options.Within, scout.Errorf(scout.CodeRecorderStart, "the recorder was not ready within %s", options.Within))
	defer cancel()
	child, client, err := l.launch(within, dir, options.withEnvironment(recording.Environment{}))
	if code := scout.CodeOf(err); options.Through != nil && within.Err() == nil && (code == scout.CodeRecorderStart || code == scout.CodeRecorderMissing) {
		options.Through = nil // nothing about it may keep a recording from beginning
		child, client, err = l.launch(within, dir, options.withEnvironment(recording.Environment{}))
	}
	if child == nil {
		return nil, false, err
	}
	if err != nil && ctx.Err() != nil { // the caller stopped waiting; within ends too when the recorder was too slow
		l.started = child
	}
	launched = err == nil && (client.PID() == child.process.Pid || client.Parent() == child.process.Pid)
	if err == nil && !launched {
		child.end()
	}
	return client, launched, err
}

// launch starts a recorder, unless one is still starting, and connects to it, or to one that another program started first. The child is
// nil if it could not be started.
func (l *launcher) launch(ctx context.Context, dir string, options LaunchOptions) (*child, *Client, error) {
	child := l.started
	l.started = nil
	if child == nil || child.hasEnded() {
		var err error
		if child, err = start(dir, options); err != nil {
			return nil, nil, err
		}
	}
	client, err := child.await(ctx, dir, options.Options)
	return child, client, err
}

// await connects to the recorder of the folder. One that is being started is waited for, for the first time or again.
func await(ctx context.Context, dir string, options Options) (*Client, error) {
	return awaitRecorder(ctx, dir, options, map[absence]time.Duration{starting: comesBackWithin, returning: comesBackWithin, deaf: comesBackWithin})
}

// child is a recorder that was started and has not answered yet.
type child struct {
	process *os.Process
	log     string
	begin   int64         // where its output begins in the log
	ended   chan struct{} // closed when the process has ended
	exit    error         // its exit error; valid then
	program string        // the recorder's, if the process still has to become that; else empty
	began   time.Time
}

// start starts the process.
func start(dir string, options LaunchOptions) (*child, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "create folder of recordings", err)
	}
	path := filepath.Join(dir, LogName)
	log, err := openLog(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "the recorder's log", err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	info, err := log.Stat()
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "the recorder's log", err)
	}
	args := options.Args
	if args == nil {
		args = arguments(dir, options.Environment)
	}
	program := options.Program
	if t := options.Through; len(t) > 0 {
		program, args = t[0], slices.Concat(t[1:], []string{program}, args)
	}
	command := exec.Command(program, args...)
	command.Env = options.Environment.Apply(options.baseEnvironment())
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = detached()
	if err := command.Start(); err != nil {
		return nil, notStarted(program, err)
	}
	c := &child{process: command.Process, log: path, begin: info.Size(), ended: make(chan struct{}), began: time.Now()}
	if len(options.Through) > 0 {
		c.program = options.Program
	}
	go func() { // ends with the recorder, or at the latest with this program, which the recorder outlives
		c.exit = command.Wait()
		close(c.ended)
	}()
	return c, nil
}

// arguments returns those of a recorder that logs as the environment says.
func arguments(dir string, e recording.Environment) []string {
	args := []string{"--recordings-dir=" + dir}
	if e.LogLevel != "" {
		args = append(args, "--log-level", e.LogLevel)
	}
	if e.LogFormat != "" {
		args = append(args, "--log-format", e.LogFormat)
	}
	return args
}

// hasEnded reports whether the process has ended.
func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// end ends the process if another recorder has made it needless. It would find the folder taken, but perhaps only after
// that recorder has ended and the folder is gone. It is asked to end, so that it also ends its own child.
func (c *child) end() {
	_ = c.process.Signal(syscall.SIGTERM) // it may have ended by itself
	<-c.ended
}

// notStarted distinguishes a program that is missing, or may not be run, from a machine that could not start it.
func notStarted(program string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return scout.Errorf(scout.CodeRecorderMissing, "recorder program %s not found", program)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOEXEC):
		return scout.Errorf(scout.CodeRecorderMissing, "recorder program %s cannot be run: %w", program, err)
	}
	return scout.Errorf(scout.CodeRecorderStart, "start recorder: %w", err)
}

// openLog opens the log for appending; a long one is rotated first.
func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogBytes {
		// Not by atomicfile: the log is renamed unchanged.
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	// Not by atomicfile: a log is appended to.
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// await connects as soon as a recorder answers, this one or a faster one. If this one has ended and no other is
// starting, it returns the error at once.
func (c *child) await(ctx context.Context, dir string, options Options) (*Client, error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	var over <-chan time.Time
	ended := c.ended
	for {
		client, err := Dial(ctx, dir, options)
		if err == nil || scout.CodeOf(err) != scout.CodeRecorderUnreachable && ctx.Err() == nil {
			return client, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ended:
			ended = nil
			if why, _ := absent(dir); why == nobody || why == halted {
				return nil, c.failed(dir)
			}
			over = time.After(quickerWithin)
		case <-over:
			return nil, c.failed(dir)
		case <-ticker.C:
			if c.program != "" && time.Since(c.began) > becomesWithin {
				if !c.became() {
					_ = c.process.Kill() // it may just have ended
				}
				c.program = ""
			}
		}
	}
}

// became reports whether the process has become the recorder: then that is the first of its arguments, or the second where the
// recorder is a script.
func (c *child) became() bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.process.Pid))
	if err != nil {
		return true // it has ended, or the system does not tell
	}
	arguments := strings.SplitN(string(line), "\x00", 3)
	return slices.Contains(arguments[:min(2, len(arguments))], c.program)
}

// failed returns why the recorder ended: another one has its folder, or else the last of its output.
func (c *child) failed(dir string) error {
	if err := recording.Occupied(dir); err != nil {
		return err
	}
	if said := strings.TrimPrefix(c.output(), "scout-recorder: "); said != "" {
		return scout.Errorf(scout.CodeRecorderStart, "start recorder: %s", said)
	}
	if err := writable(dir); err != nil { // nor could it say so
		return err
	}
	if c.exit != nil {
		return scout.Errorf(scout.CodeRecorderStart, "start recorder: it ended at once, without a word (%w)", c.exit)
	}
	return scout.Errorf(scout.CodeRecorderStart, "start recorder: it ended at once, without a word")
}

// output returns the last line that the child wrote, lines of its log apart: they are not for the person who waits for it.
func (c *child) output() string {
	f, err := os.Open(c.log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, c.begin, maxLogBytes), 64<<10))
	if err != nil {
		return ""
	}
	var last []byte
	for line := range bytes.Lines(data) {
		logged := bytes.HasPrefix(line, []byte("time=")) || bytes.HasPrefix(line, []byte(`{"time":`))
		if line = bytes.TrimSpace(line); len(line) > 0 && !logged {
			last = line
		}
	}
	return fmt.Sprintf("%.500s", last)
}

// writable returns an error that says why nothing can be written to the folder.
func writable(dir string) error {
	// Not by atomicfile: it is removed again.
	f, err := os.CreateTemp(dir, ".probe-*")
	if err == nil {
		_, err = f.Write(make([]byte, 4096))
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return outfile.Explain("start the recorder, which writes to "+dir, err)
}
