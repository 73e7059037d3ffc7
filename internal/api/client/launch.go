package client

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

const (
	// startWithin is how long a new daemon may take until it answers, has the data folder, or writes the next line into its log.
	startWithin = 5 * time.Second
	// longestStart bounds the start of a daemon that has the data folder or keeps writing into its log: a slow disk, a machine with much
	// to do.
	longestStart = 10 * time.Second
	// lookEvery is how often to ask a daemon that is starting: nothing announces that a socket of another process has
	// appeared.
	lookEvery = 3 * time.Millisecond
	// startLockName is the file whose lock belongs to the one command that starts the daemon; the others wait for its outcome.
	startLockName = "daemon.start"
	// toldLines is how many lines of a daemon's output appear in the error if it cannot start.
	toldLines = 3
)

// Launch says how to start a daemon.
type Launch struct {
	// Program is scout, Args its arguments and Env its environment: a daemon on demand for the data folder. Its paths are
	// absolute: it runs in the root folder.
	Program string
	Args    []string
	Env     []string
	// Dir is the data folder. It is created if it is missing.
	Dir string
	// Output is the file for what the daemon writes to its standard streams. It is emptied at each start.
	Output string
	// Log is the daemon's log, which an error names.
	Log string
	// Ending reports whether a daemon is ending at this moment, whose end the next one waits for; nil for never.
	Ending func() bool
	// Serving reports whether a daemon has the data folder, which may not answer yet; nil for never.
	Serving func() bool
}

// endsWithin bounds how long a daemon that is ending is waited for.
const endsWithin = 30 * time.Second

// patient returns a context that ends when the daemon did not answer in time. While another one is ending, while one has the data folder,
// and with each line in the log, the time starts again.
func (l *Launch) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	began := time.Now()
	var timer *time.Timer
	var mu sync.Mutex // the timer is set before it is read
	mu.Lock()
	timer = time.AfterFunc(startWithin, func() {
		mu.Lock()
		defer mu.Unlock()
		took := time.Since(began)
		if l.Ending != nil && l.Ending() && took < endsWithin {
			timer.Reset(startWithin)
			return
		}
		if took < longestStart {
			if quiet := l.quiet(); quiet < startWithin {
				timer.Reset(startWithin - quiet)
				return
			}
			if l.Serving != nil && l.Serving() { // it makes its database, on a slow disk
				timer.Reset(startWithin)
				return
			}
		}
		cancel(scout.Errorf(scout.CodeDaemonStart, "the daemon did not answer within %s of its start", took.Round(time.Second)))
	})
	mu.Unlock()
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// quiet returns how long ago the log was written to. Without a log, or one of the future, that is longer than any start.
func (l *Launch) quiet() time.Duration {
	info, err := os.Stat(l.Log)
	if err != nil {
		return longestStart
	}
	if quiet := time.Since(info.ModTime()); quiet >= 0 {
		return quiet
	}
	return longestStart
}

// start starts a daemon, or waits for the one that another command is starting, and returns when it answers.
func (l *Launch) start(ctx context.Context, c *Client) error {
	ctx, cancel := l.patient(ctx)
	defer cancel()
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make the data folder", err)
	}
	// Not by atomicfile: it is a lock.
	lock, err := os.OpenFile(filepath.Join(l.Dir, startLockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "open the lock for starting the daemon", err)
	}
	defer func() { _ = filelock.Close(lock) }() // the daemon answers, or the error says why not
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		got, err := filelock.Try(lock)
		if err != nil {
			return scout.FileError(scout.CodeWriteFailed, "lock "+lock.Name(), err)
		}
		if got {
			return l.launch(ctx, c, ticker.C)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return l.late(ctx, 0)
		}
		if err := c.greet(ctx); err == nil {
			return nil
		}
	}
}

// launch starts the process and waits until it, or another one, answers.
func (l *Launch) launch(ctx context.Context, c *Client, look <-chan time.Time) error {
	if err := c.greet(ctx); !Absent(err) {
		return err // another command was quicker
	}
	// Not by atomicfile: a process writes into it.
	output, err := os.OpenFile(l.Output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "open the output of the daemon", err)
	}
	defer func() { _ = output.Close() }() // the process has its own
	// Not CommandContext: the daemon outlives the command.
	command := exec.Command(l.Program, l.Args...)
	command.Stdout, command.Stderr = output, output
	command.Env = l.Env
	command.Dir = "/" // it holds no folder of the user's
	command.SysProcAttr = detached()
	if err := command.Start(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return scout.Errorf(scout.CodeDaemonStart, "start the daemon: the program %s is not there", l.Program)
		}
		return scout.Errorf(scout.CodeDaemonStart, "start the daemon: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }() // ends with the daemon, at the latest with this program, whom it outlives
	var exit error
	for over := false; ; {
		err := c.greet(ctx)
		if !Absent(err) && ctx.Err() == nil {
			return err
		}
		if over && (l.Serving == nil || !l.Serving()) {
			return l.failed(exit)
		}
		select {
		case exit = <-ended:
			over = true // a daemon that is there already is asked once more, or until it has started
		case <-look:
		case <-ctx.Done():
			return l.late(ctx, command.Process.Pid)
		}
	}
}

// failed returns the reason why the daemon ended, with the end of its output.
func (l *Launch) failed(exit error) error {
	said := tail(l.Output, 0, toldLines)
	// The last lines are an error and its hint, as every program of Scout writes them.
	said, hint, _ := strings.Cut(said, "; hint: ")
	if said = strings.TrimPrefix(said, "scout: "); hint != "" {
		return scout.Errorf(scout.CodeDaemonStart, "the daemon ended at its start: %s", said).WithHint("%s", hint)
	}
	if said == "" {
		said = "it wrote nothing"
		if exit != nil {
			said = scout.Plain(exit)
		}
	}
	return scout.Errorf(scout.CodeDaemonStart, "the daemon ended at its start: %s", said).WithHint("see %s, or start it in the foreground: scout serve", l.Log)
}

// late returns the error for a daemon that is not ready, with the end of its log.
func (l *Launch) late(ctx context.Context, pid int) error {
	err := context.Cause(ctx)
	if scout.CodeOf(err) != scout.CodeDaemonStart {
		return err // the caller's time is over
	}
	said := tail(l.Log, 0, toldLines)
	if said != "" {
		said = "; its log ends: " + said
	}
	process := ""
	if pid > 0 {
		process = "; it is still starting"
	}
	return scout.Errorf(scout.CodeDaemonStart, "%w%s%s", err, process, said).WithHint("try again; or see %s, or start it in the foreground: scout serve", l.Log)
}
