package main

import (
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
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/otlp"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/release"
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

	settings struct {
		modelsDir     string
		recordingsDir string
		logLevel      string
		logFormat     string
		logFile       string
		traceTarget   string
	}
}

func newApp(std streams) *app {
	a := &app{std: std, registry: prometheus.NewRegistry(), processor: prepare.DetectProcessor()}
	a.scope = observe.NewScope(nil, a.registry, nil)
	a.failures = observe.NewFailures(a.scope)
	return a
}

// bindSettings adds the flags that every command has. Each has an environment variable as its
// default, so that the order is flag, environment, built-in.
func (a *app) bindSettings(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.settings.modelsDir, "models-dir", envOr("SCOUT_MODELS", ""), "folder of installed models ($SCOUT_MODELS; default: the user's data folder; see scout models path --help)")
	flags.StringVar(&a.settings.recordingsDir, "recordings-dir", envOr("SCOUT_RECORDINGS", ""), "folder of recordings ($SCOUT_RECORDINGS; default: the user's data folder)")
	flags.StringVar(&a.settings.logLevel, "log-level", envOr("SCOUT_LOG_LEVEL", ""), "debug, info, warn or error ($SCOUT_LOG_LEVEL; default: info with --log-file, else no log)")
	flags.StringVar(&a.settings.logFormat, "log-format", envOr("SCOUT_LOG_FORMAT", "text"), "text or json ($SCOUT_LOG_FORMAT)")
	flags.StringVar(&a.settings.logFile, "log-file", envOr("SCOUT_LOG_FILE", ""), "append the log to this file, with rotation, instead of stderr ($SCOUT_LOG_FILE)")
	flags.StringVar(&a.settings.traceTarget, "trace-endpoint", envOr("SCOUT_TRACE_ENDPOINT", ""), "send OpenTelemetry traces to this OTLP/HTTP address ($SCOUT_TRACE_ENDPOINT)")
}

// checkLogFile refuses a log that is one of the files that a command names: lines would be added to it.
func (a *app) checkLogFile(args []string) error {
	log, err := os.Stat(a.settings.logFile)
	if err != nil {
		return nil //nolint:nilerr // it is new, or open tells what is wrong with it
	}
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && os.SameFile(log, info) {
			return usage(scout.Errorf(scout.CodeInvalidArgument, "--log-file %s is the input %s: it would be destroyed", a.settings.logFile, arg).
				WithHint("choose another file for the log"))
		}
	}
	return nil
}

// open acts on the settings, before a command runs.
func (a *app) open(ctx context.Context) error {
	name := a.settings.logLevel
	if name == "" {
		name = "info"
	}
	level, err := observe.ParseLogLevel(name)
	if err != nil {
		return usage(err)
	}
	format, err := observe.ParseLogFormat(a.settings.logFormat)
	if err != nil {
		return usage(err)
	}
	out := io.Discard // what concerns the user is said without a log
	if a.settings.logLevel != "" {
		out = a.std.err
	}
	if a.settings.logFile != "" {
		file, err := observe.OpenLogFile(a.settings.logFile, observe.LogRotation{})
		if err != nil {
			return fmt.Errorf("open log: %w", err)
		}
		a.closers = append(a.closers, file.Close)
		out = file
	}
	levels := new(slog.LevelVar)
	levels.Set(level)
	tracer, shutdown, err := otlp.Open(ctx, a.settings.traceTarget, release.Version())
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

func envOr(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// recordingsDir is where recordings are kept.
func (a *app) recordingsDir() (string, error) {
	return dataFolder(a.settings.recordingsDir, "recordings", "SCOUT_RECORDINGS")
}

// dataFolder is the setting, or the folder of that name in the user's data folder after the XDG Base
// Directory Specification.
func dataFolder(setting, name, variable string) (string, error) {
	if setting != "" {
		return setting, nil
	}
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "scout", name), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", scout.Errorf(scout.CodeConfigInvalid, "find the user's data folder: %w", err).WithHint("set %s", variable)
	}
	return filepath.Join(home, ".local", "share", "scout", name), nil
}

// enginePath is where scout-engine is: $SCOUT_ENGINE, else beside this program.
func enginePath() (string, error) {
	path, err := programBeside("scout-engine", "SCOUT_ENGINE")
	if err != nil {
		return "", scout.Errorf(scout.CodeEngineMissing, "find scout-engine: %w", err)
	}
	return path, nil
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
