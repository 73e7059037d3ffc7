// Command scout-recorder records into one folder and serves its socket. scout starts it, or finds it running, and it
// outlives the program that started it. It links only what recording needs; see docs/adr/0020-recorder-process.md and
// docs/formats/recorder-socket.md.
//
// It does not use package preflight: its starter has checked the same limits, it needs less, and too strict a check
// would prevent a recording.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/footprint"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/recorder/parent"
	"github.com/scout-speech/scout/internal/release"
)

// Exit codes, as those of scout.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// gcPercent is how much garbage a recorder process keeps, in percent of what it needs. It needs mainly the ring, up to
// 9 MB, and Go's default of 100 would keep as much again. More frequent collections cost nothing, because blocks
// allocate nothing.
const gcPercent = 20

// oneProcessor is how many threads of a recorder process run Go at the same time. It does a little work a hundred times
// a second; with more than one, most of its time goes into threads that look for work and wake each other. A write or
// sync that does not return blocks the others for at most 10 ms, then the runtime takes its processor away. The
// device's own thread is C and waits for none of this.
const oneProcessor = 1

// noGarbageCollection is for the parent, which makes garbage only when a child dies, and collects it then.
const noGarbageCollection = -1

func main() {
	// Before anything else: most of what follows is not for the parent, which has to stay small.
	link, above := parent.Begin(family(os.Args[1:]))
	signal.Ignore(syscall.SIGQUIT, syscall.SIGHUP) // no terminal is its own
	runtime.GOMAXPROCS(oneProcessor)
	if above == nil {
		debug.SetGCPercent(gcPercent)
		os.Exit(record(link))
	}
	leave()
	debug.SetGCPercent(noGarbageCollection)
	signal.Ignore(syscall.SIGPIPE) // a closed log pipe must not end the process
	os.Exit(above.Run())
}

// leave leaves the folder in which the program was started, so that it is not kept busy as long as this process lives.
// The paths in the arguments are already absolute.
func leave() {
	_ = os.Chdir(string(filepath.Separator)) // a failure is harmless
}

// folderFlag names the folder. The parent has it with the folder in one argument and the recorder in two, so that a
// search for the recording process finds only that one.
const folderFlag = "--recordings-dir"

// family returns the arguments of the parent and of its child for those that this program was started with.
func family(args []string) parent.Options {
	o := parent.Options{Log: func() *slog.Logger {
		options, err := parse(flag.NewFlagSet("scout-recorder", flag.ContinueOnError), args, os.Stderr)
		if err != nil {
			return slog.New(slog.DiscardHandler) // the child has reported what is wrong
		}
		return options.Scope.Component("recorder").Log()
	}}
	for i := 0; i < len(args); i++ {
		dir, joined := strings.CutPrefix(args[i], folderFlag+"=")
		switch {
		case joined:
		case args[i] == folderFlag && i+1 < len(args):
			i++
			dir = args[i]
		default:
			o.ParentArgs, o.ChildArgs = append(o.ParentArgs, args[i]), append(o.ChildArgs, args[i])
			continue
		}
		if abs, err := filepath.Abs(dir); err == nil && dir != "" { // neither process stays in the folder where it was started
			dir = abs
		}
		o.Dir = dir
		o.ParentArgs, o.ChildArgs = append(o.ParentArgs, folderFlag+"="+dir), append(o.ChildArgs, folderFlag, dir)
	}
	return o
}

// record is the recorder itself.
func record(link *parent.Link) int {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // logs of libraries must not be the last line
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args[1:], os.Stderr, link)
}

// run is the recorder without the process: it returns the exit code. The starter of this process shows the last line of
// its output, so an error is one line, the last.
func run(ctx context.Context, args []string, out io.Writer, link *parent.Link) int {
	flags := flag.NewFlagSet("scout-recorder", flag.ContinueOnError)
	options, err := parse(flags, args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		help(flags, out)
		return exitOK
	case err != nil:
		complain(out, err)
		return exitUsage
	}
	options.Parent = link
	log := options.Scope.Log()
	leave()
	if err := footprint.ReturnStartupPages(); err != nil { // it works as well, only larger
		log.Debug(footprint.EventStartupPagesStay, slog.String(observe.KeyError, err.Error()))
	}
	if err := recorder.Run(ctx, options); err != nil {
		complain(out, err)
		return exitFailed
	}
	return exitOK
}

// help explains the program. A failure to write cannot be reported.
func help(flags *flag.FlagSet, out io.Writer) {
	_, _ = fmt.Fprint(out, `scout-recorder records into one folder, as scout asks it to through the socket
recorder.sock in that folder. scout starts it; you need not.

Flags:
`)
	flags.SetOutput(out)
	flags.PrintDefaults()
}

// parse returns the options from the flags; the log goes to out.
func parse(flags *flag.FlagSet, args []string, out io.Writer) (recorder.Options, error) {
	var o recorder.Options
	flags.SetOutput(io.Discard) // errors are reported once, at the end
	dir := flags.String("recordings-dir", "", "`folder` of recordings; required")
	flags.DurationVar(&o.IdleFor, "idle-for", 0, "end after this time without a recording or a client (default 30s)")
	flags.DurationVar(&o.WarmFor, "warm-for", 0, "end after this time without a recording or a client, while the microphone is kept open (default 10m)")
	flags.DurationVar(&o.SyncEvery, "sync-every", 0, "how often audio is synced to the disk (default 150ms)")
	level := flags.String("log-level", "info", "debug, info, warn or error")
	format := flags.String("log-format", string(observe.LogText), "text or json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, scout.Errorf(scout.CodeInvalidArgument, "unknown argument %q", flags.Arg(0))
	}
	if *dir == "" {
		return o, scout.Errorf(scout.CodeInvalidArgument, "--recordings-dir is missing: this program is started by scout, not by hand")
	}
	logLevel, err := observe.ParseLogLevel(*level)
	if err != nil {
		return o, err
	}
	logFormat, err := observe.ParseLogFormat(*format)
	if err != nil {
		return o, err
	}
	if o.Dir, err = filepath.Abs(*dir); err != nil {
		return o, fmt.Errorf("find the folder of recordings: %w", err)
	}
	o.Environment = recording.EnvironmentOf(os.Environ())
	o.Environment.LogLevel, o.Environment.LogFormat = *level, *format
	registry := metric.NewRegistry()
	o.Version, o.Metrics = release.Version(), registry
	o.Scope = observe.NewScope(observe.NewLogger(out, logFormat, logLevel), registry, nil)
	return o, nil
}

// complain writes err as one line. A failure to do so cannot be reported.
func complain(out io.Writer, err error) {
	text := strings.Join(strings.FieldsFunc(scout.Plain(err), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	_, _ = fmt.Fprintf(out, "scout-recorder: %s\n", text)
}
