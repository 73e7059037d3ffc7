package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/term"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/otlp"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/release"
	"github.com/scout-speech/scout/internal/settings"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1   // something that was asked for could not be done
	exitUsage  = 2   // wrong usage
	exitSignal = 128 // and the number of the signal that ended it
)

// streams are the standard streams of the process.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	// interrupts are the signals of the process; nil where it is not the program's own.
	interrupts *interrupts
}

// terminal tells whether w is a terminal that somebody looks at.
func terminal(w any) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// app is what the commands share: streams, settings that hold for all of them, and how they are seen.
type app struct {
	std      streams
	registry *prometheus.Registry
	failures *observe.Failures
	scope    observe.Scope
	closers  []func() error
	// processor is what models run on.
	processor prepare.Processor
	// settings are those of all sources once a command runs, the defaults before.
	settings *settings.Loaded
	// wrongSettings is what is wrong with them, for commands that run all the same.
	wrongSettings error
}

func newApp(std streams) *app {
	a := &app{
		std: std, registry: prometheus.NewRegistry(), processor: prepare.DetectProcessor(),
		settings: &settings.Loaded{Settings: settings.Default()},
	}
	a.scope = observe.NewScope(nil, a.registry, nil)
	a.failures = observe.NewFailures(a.scope)
	return a
}

// checkLogFile refuses a log that is one of the files that a command names: lines would be added to it.
func (a *app) checkLogFile(args []string) error {
	log, err := os.Stat(a.settings.Log.File)
	if err != nil {
		return nil //nolint:nilerr // it is new, or open tells what is wrong with it
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && os.SameFile(log, info) {
			return usage(scout.Errorf(scout.CodeInvalidArgument, "--log-file %s is the input %s: it would be destroyed", a.settings.Log.File, arg).
				WithHint("choose another file for the log"))
		}
	}
	return nil
}

// open acts on the settings, before a command runs.
func (a *app) open(ctx context.Context) error {
	log := a.settings.Log
	level, err := observe.ParseLogLevel(cmp.Or(log.Level, "info"))
	if err != nil {
		return usage(err)
	}
	format, err := observe.ParseLogFormat(log.Format)
	if err != nil {
		return usage(err)
	}
	out := io.Discard // what concerns the user is said without a log
	if log.Level != "" {
		out = a.std.err
	}
	if log.File != "" {
		file, err := observe.OpenLogFile(log.File, observe.LogRotation{})
		if err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		a.closers = append(a.closers, file.Close)
		out = file
	}
	levels := new(slog.LevelVar)
	levels.Set(level)
	tracer, shutdown, err := otlp.Open(ctx, a.settings.Trace.Endpoint, release.Version())
	if err != nil {
		return usage(err)
	}
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		return shutdown(ctx)
	})
	a.scope = observe.NewScope(observe.NewLogger(out, format, levels), a.registry, tracer)
	a.failures = observe.NewFailures(a.scope) // the same counters, now with a log
	return nil
}

// flushTimeout bounds how long the last traces may take to be delivered.
const flushTimeout = 3 * time.Second

// close ends what open began, in reverse.
func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// usageError marks an error as a mistake in how the command was called.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// reported marks a failure whose lines are on stderr already.
type reportedError struct{ err error }

func (e *reportedError) Error() string { return e.err.Error() }
func (e *reportedError) Unwrap() error { return e.err }

// report writes err to stderr, one line and one hint, and returns the exit code for it.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if brokenPipe(err) {
		_ = a.failures.Count(err) // it returns its argument
		return exitSignal + int(syscall.SIGPIPE)
	}
	var done *reportedError
	if !errors.As(err, &done) {
		a.complain("", err)
	}
	if n := signalOf(ctx); n != 0 && scout.ClassOf(err) == scout.Cancelled {
		return exitSignal + int(n)
	}
	var misuse *usageError
	if errors.As(err, &misuse) || scout.CodeOf(err) == scout.CodeInvalidArgument {
		return exitUsage
	}
	return exitFailed
}

// notef writes to stderr, for people. Where that fails there is nobody left to tell.
func (a *app) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(a.std.err, format, args...)
}

// complain counts err and writes it to stderr: what failed, why, and what helps.
func (a *app) complain(what string, err error) {
	_ = a.failures.Count(err) // it returns its argument
	text := printable.Line(plainText(err))
	if what = printable.Line(what); what != "" && !strings.Contains(text, what) {
		text = what + ": " + text
	}
	var misuse *usageError
	hint := scout.HintOf(err)
	if errors.As(err, &misuse) && scout.CodeOf(err) == scout.CodeInternal {
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
	a.notef("scout: %s\n", text)
	if hint != "" {
		a.notef("  hint: %s\n", printable.Line(hint))
	}
}

// oneLine is the text of err without line breaks: what the engine said may have several.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	const most = 3
	if len(lines) > most {
		lines = append(lines[:1:1], lines[len(lines)-most+1:]...)
	}
	return strings.Join(lines, "; ")
}

// recordingsDir is where recordings are kept.
func (a *app) recordingsDir() (string, error) { return a.settings.RecordingsDir() }

// modelsDir is where models are installed.
func (a *app) modelsDir() (string, error) {
	own, _, err := a.settings.ModelsDir()
	return own, err
}

// ownFile tells whether a path lies in a folder that Scout keeps for itself: recordings and models.
func (a *app) ownFile(path string) bool {
	for _, folder := range []func() (string, error){a.recordingsDir, a.modelsDir} {
		dir, err := folder()
		if err != nil {
			continue
		}
		if resolved, err := filepath.EvalSymlinks(dir); err == nil {
			dir = resolved
		}
		if dir, err = filepath.Abs(dir); err != nil {
			continue
		}
		if abs, err := filepath.Abs(path); err == nil && strings.HasPrefix(abs, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}
