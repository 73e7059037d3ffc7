package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// endWithin limits how long a command may take to end after a signal. Some wait in the kernel and cannot be
// interrupted.
const endWithin = 3 * time.Second

// Interrupts turns the signals that end a program into the end of a context.
type Interrupts struct {
	// Patient is true for commands that handle further signals themselves: a recording is finished first.
	Patient atomic.Bool
	signals chan os.Signal
	ending  []os.Signal // the ones that end the program
}

// Ending returns the signals that end the program: those of a terminal and of an operator, without those that it was
// started to ignore.
func (w *Interrupts) Ending() []os.Signal { return w.ending }

// watchInterrupts returns a context that ends with the first signal. The second ends the process at once, as does
// endWithin after the first, unless Patient is set.
//
// Signals that the program was started to ignore stay ignored: SIGHUP under nohup, SIGINT under a shell with trap ”
// INT. A shell also ignores SIGINT for programs in the background of a script, only so that Ctrl-C at the script does
// not reach them. A SIGINT that is sent to such a program by its process id is intended, and ends it.
func watchInterrupts() (context.Context, *Interrupts) {
	w := &Interrupts{signals: make(chan os.Signal, 4), ending: []os.Signal{
		syscall.SIGTERM, syscall.SIGQUIT, // by itself SIGQUIT would print the stacks of all goroutines, and end the program in the middle
	}}
	if !signal.Ignored(os.Interrupt) || !ignoredByParent(syscall.SIGINT) {
		w.ending = append(w.ending, os.Interrupt)
	}
	if !signal.Ignored(syscall.SIGHUP) {
		w.ending = append(w.ending, syscall.SIGHUP) // the terminal was closed: work in progress ends normally
	}
	signal.Notify(w.signals, w.ending...)
	// A write to a closed pipe is an error like any other: work in progress is cleaned up. See leave.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() { // ends with the process
		first := <-w.signals
		cancel(&interruptedError{text: "interrupted", signal: number(first), err: context.Canceled})
		timeout := time.After(endWithin)
		for {
			select {
			case again := <-w.signals:
				if !w.Patient.Load() {
					die(number(again))
				}
			case <-timeout:
				if !w.Patient.Load() {
					die(number(first))
				}
			}
		}
	}()
	return ctx, w
}

func number(s os.Signal) syscall.Signal {
	if n, ok := s.(syscall.Signal); ok {
		return n
	}
	return syscall.SIGINT
}

// leave ends the process with the exit code of a command. After a signal it dies of the signal, so that a loop in a
// shell ends too.
func leave(code int) {
	switch n := syscall.Signal(code - ExitSignal); n {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE:
		die(n)
	}
	os.Exit(code)
}

// die ends the process as the signal itself would.
func die(n syscall.Signal) {
	switch n {
	case syscall.SIGQUIT: // Go prints its stacks
	case syscall.SIGPIPE: // Go dies of it only while it writes
		signal.Reset(n)
		_, _ = os.Stdout.Write([]byte{'\n'}) // it is closed
	default:
		signal.Reset(n)
		defaultAction(n)                 // Reset goes back to ignoring where the program began with that
		_ = syscall.Kill(os.Getpid(), n) // the exit code reports it otherwise
		time.Sleep(100 * time.Millisecond)
	}
	os.Exit(ExitSignal + int(n))
}

// interruptedError is the end of a command by a signal.
type interruptedError struct {
	text   string
	signal syscall.Signal // 0 where the cause tells
	err    error
}

func (e *interruptedError) Error() string { return e.text }
func (e *interruptedError) Unwrap() error { return e.err }

// Interrupted returns err with a text for people: a signal ended the work.
func Interrupted(text string, err error) error { return &interruptedError{text: text, err: err} }

// SignalOf returns the signal that ended ctx, 0 for none.
func SignalOf(ctx context.Context) syscall.Signal {
	var interrupted *interruptedError
	if errors.As(context.Cause(ctx), &interrupted) {
		return interrupted.signal
	}
	return 0
}

// BrokenPipe reports whether nobody reads standard output any more, as after "| head". That needs no message.
func BrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
