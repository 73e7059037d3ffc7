package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/otlp"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/settings"
)

// Exit codes of every command.
const (
	ExitOK     = 0
	ExitFailed = 1   // something that was requested could not be done
	ExitUsage  = 2   // wrong usage
	ExitSignal = 128 // and the number of the signal that ended it
)

// Streams are the standard streams of the process.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Interrupts are the signals of the process; nil if the process is not the program's own.
	Interrupts *Interrupts
}

// IsTerminal reports whether w is a terminal with a person in front of it.
func IsTerminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// App is shared by the commands: streams, settings that hold for all of them, and their logs and metrics.
type App struct {
	// Name of the program: scout.
	Name     string
	Std      Streams
	Registry prom.Registry
	Failures *observe.Failures
	Scope    observe.Scope
	closers  []func() error
	// Processor describes the processor on which models run.
	Processor prepare.Processor
	// Settings are those of all sources once a command runs; before, they are the defaults.
	Settings *settings.Loaded
	// WrongSettings is what is wrong with them, for commands that run anyway.
	WrongSettings error
}

// New returns the app of a program with the default settings.
func New(name string, std Streams) *App {
	a := &App{
		Name: name, Std: std, Registry: prom.NewRegistry(), Processor: prepare.DetectProcessor(),
		Settings: &settings.Loaded{Settings: settings.Default()},
	}
	a.Scope = observe.NewScope(nil, a.Registry, nil)
	a.Failures = observe.NewFailures(a.Scope)
	return a
}

// checkLogFile refuses a log that is one of the command's files: lines would be added to it.
func (a *App) checkLogFile(args []string) error {
	log, err := os.Stat(a.Settings.Log.File)
	if err != nil {
		return nil //nolint:nilerr // it is new, or open reports what is wrong with it
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && os.SameFile(log, info) {
			return Usage(scout.Errorf(scout.CodeInvalidArgument, "%s %s is the input %s: it would be destroyed", a.Settings.Origin("log.file"), a.Settings.Log.File, arg).
				WithHint("choose another file for the log"))
		}
	}
	return nil
}

// open applies the settings, before a command runs.
func (a *App) open(ctx context.Context) error {
	log := a.Settings.Log
	level, err := observe.ParseLogLevel(cmp.Or(log.Level, "info"))
	if err != nil {
		return Usage(err)
	}
	format, err := observe.ParseLogFormat(log.Format)
	if err != nil {
		return Usage(err)
	}
	out := io.Discard // users get their messages without a log
	if log.Level != "" {
		out = a.Std.Err
	}
	if log.File != "" {
		file, err := observe.OpenLogFile(log.File, observe.LogRotation{})
		if err != nil {
			return err
		}
		a.closers = append(a.closers, file.Close)
		out = file
	}
	levels := new(slog.LevelVar)
	levels.Set(level)
	logger := observe.NewLogger(out, format, levels)
	tracer, shutdown, err := otlp.Open(ctx, observe.NewScope(logger, a.Registry, nil), a.Settings.Trace.Endpoint, release.Version())
	if err != nil {
		return Usage(err)
	}
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		return shutdown(ctx)
	})
	a.Scope = observe.NewScope(logger, a.Registry, tracer)
	a.Failures = observe.NewFailures(a.Scope) // the same counters, now with a log
	return nil
}

// flushTimeout limits the delivery of the last traces.
const flushTimeout = 3 * time.Second

// close ends what open began, in reverse order.
func (a *App) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// usageError marks an error as a mistake in the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Usage marks err as a mistake in the command line.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// reportedError marks a failure that was already reported on stderr.
type reportedError struct{ err error }

func (e *reportedError) Error() string { return e.err.Error() }
func (e *reportedError) Unwrap() error { return e.err }

// Reported marks err as already reported on standard error.
func Reported(err error) error { return &reportedError{err} }

// Report writes err to stderr, one line and one hint, and returns the exit code for it.
func (a *App) Report(ctx context.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if BrokenPipe(err) {
		_ = a.Failures.Count(err) // it returns its argument
		return ExitSignal + int(syscall.SIGPIPE)
	}
	var done *reportedError
	if !errors.As(err, &done) {
		a.Complain("", err)
	}
	if n := SignalOf(ctx); n != 0 && scout.ClassOf(err) == scout.Cancelled {
		return ExitSignal + int(n)
	}
	var Misuse *usageError
	if errors.As(err, &Misuse) || scout.CodeOf(err) == scout.CodeInvalidArgument {
		return ExitUsage
	}
	return ExitFailed
}

// Notef writes to stderr, for people. A failure to do so cannot be reported.
func (a *App) Notef(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Std.Err, format, args...)
}

// Complain counts err and writes it to stderr: what failed, why, and what helps.
func (a *App) Complain(what string, err error) {
	err = namesStream(err)
	_ = a.Failures.Count(err) // it returns its argument
	text := printable.Line(OneLine(err))
	if what = printable.Line(what); what != "" && !strings.Contains(text, what) {
		text = what + ": " + text
	}
	var Misuse *usageError
	hint := scout.HintOf(err)
	if errors.As(err, &Misuse) && scout.CodeOf(err) == scout.CodeInternal {
		hint = "see --help"
	}
	if scout.ClassOf(err) == scout.Cancelled {
		hint = ""
		var interrupted *interruptedError
		if !errors.As(err, &interrupted) {
			text = "interrupted"
		} else {
			text = interrupted.text
		}
	}
	a.Notef("%s: %s\n", a.Name, text)
	if hint != "" {
		a.Notef("  hint: %s\n", printable.Line(hint))
	}
}

// OneLine returns the plain text of err without line breaks; the engine's messages may have several.
func OneLine(err error) string {
	lines := strings.FieldsFunc(scout.Plain(err), func(r rune) bool { return r == '\n' || r == '\r' })
	const most = 3
	if len(lines) > most {
		lines = append(lines[:1:1], lines[len(lines)-most+1:]...)
	}
	return strings.Join(lines, "; ")
}

// Say writes one line to stdout.
func (a *App) Say(format string, args ...any) error {
	if _, err := fmt.Fprintf(a.Std.Out, format+"\n", args...); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write to standard output", err)
	}
	return nil
}

// WriteJSON writes v as indented JSON.
func WriteJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write JSON", err)
	}
	return nil
}
