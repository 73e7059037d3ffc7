package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// Hints for causes that have no code of their own.
const (
	hintBuild = "build it again with make build, or install Scout again: the program must be made for this machine"
	// killedBySystem is the usual meaning of a SIGKILL that Scout did not send: Linux kills the process that uses most
	// memory.
	killedBySystem = "killed (SIGKILL), most likely by the system because memory ran out"
	hintMemory     = "close other programs, allow more memory, or choose a smaller model: scout models list"
)

// startError explains why the program could not be started at all.
func startError(program string, err error) error {
	name := filepath.Base(program)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound), errors.Is(err, syscall.ENOTDIR):
		if info, statErr := os.Stat(program); statErr == nil && !info.IsDir() {
			// The kernel reports this for a program whose loader or interpreter does not exist: execve(2).
			return scout.Errorf(scout.CodeEngineMissing, "engine program %s cannot run on this system: its loader does not exist", program).WithHint(hintBuild)
		}
		return scout.Errorf(scout.CodeEngineMissing, "engine program %s not found", program)
	case errors.Is(err, syscall.ENOEXEC), errors.Is(err, syscall.ELIBBAD), errors.Is(err, syscall.EINVAL):
		return scout.Errorf(scout.CodeEngineMissing, "engine program %s is damaged or made for another machine", program).WithHint(hintBuild)
	case errors.Is(err, syscall.ETXTBSY):
		return scout.Errorf(scout.CodeEngineStart, "engine program %s is being written", program).WithHint("wait until it is installed, then try again")
	case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrPermission):
		return scout.Errorf(scout.CodeEngineMissing, "engine program %s cannot be run: %w", program, plain(err)).
			WithHint("make it executable: chmod +x %s; a file system mounted with noexec allows no programs", program)
	}
	if limit := limitError("start "+name, err); limit != nil {
		return limit
	}
	return scout.Errorf(scout.CodeEngineStart, "start %s: %w", program, plain(err))
}

// limitError returns the error for a limit of the system that was reached, nil if err is something else.
func limitError(doing string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOMEM):
		return scout.Errorf(scout.CodeOutOfMemory, "%s: the system has no memory left", doing)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return scout.Errorf(scout.CodeOpenFiles, "%s: %s", doing, openFiles())
	case errors.Is(err, syscall.EAGAIN):
		return scout.Errorf(scout.CodeProcesses, "%s: the limit on processes and threads is reached", doing)
	}
	return nil
}

// openFiles describes the limit on open files.
func openFiles() string {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return "the limit on open files is reached"
	}
	return fmt.Sprintf("the limit of %d open files is reached", limit.Cur)
}

// plain returns the message of the system, without the path and the call around it.
func plain(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// cause returns why the process is dead. The caller holds the lock.
func (p *Process) cause(waitErr error) error {
	switch {
	case p.killErr != nil:
		if said := lastWords(p.stderr.String()); said != "" && !errors.Is(p.killErr, context.Canceled) {
			return fmt.Errorf("%w (its output: %s)", p.killErr, said)
		}
		return p.killErr
	case p.closing:
		return scout.Errorf(scout.CodeEngineClosed, "the engine was stopped")
	}
	if p.ready {
		return ended("the engine ended", scout.CodeEngineCrashed, waitErr, p.stderr.String())
	}
	return ended("the engine ended while it loaded the model", scout.CodeEngineStart, waitErr, p.stderr.String())
}

// exitNoLoader is the exit code of the dynamic loader when a shared library is missing.
const exitNoLoader = 127

// ended explains how a process ended by itself. doing is what it was doing, usual the code if nothing more precise is
// known.
func ended(doing string, usual scout.Code, waitErr error, stderr string) *scout.Error {
	said := lastWords(stderr)
	tell := func(code scout.Code, how string) *scout.Error {
		if said == "" {
			return scout.Errorf(code, "%s: %s", doing, how)
		}
		return scout.Errorf(code, "%s: %s; its output: %s", doing, how, said)
	}
	if known := limitOf(stderr); known != nil {
		return tell(known.code, known.text())
	}
	var exit *exec.ExitError
	if !errors.As(waitErr, &exit) {
		if waitErr != nil {
			return tell(usual, scout.Plain(waitErr))
		}
		return tell(usual, "exit status 0")
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		if status.ExitStatus() == exitNoLoader && strings.Contains(stderr, "shared librar") {
			return scout.Errorf(scout.CodeEngineMissing, "a library of the engine cannot be loaded: %s", said).
				WithHint("keep scout-engine and its lib folder beside scout, or build it again: make build")
		}
		return tell(usual, scout.Plain(exit))
	}
	switch status.Signal() {
	case syscall.SIGKILL:
		return tell(usual, killedBySystem).WithHint(hintMemory)
	case syscall.SIGILL:
		return tell(usual, "it uses an instruction that this processor does not have (SIGILL)").WithHint("build Scout on this machine: make build")
	case syscall.SIGBUS:
		return tell(usual, "a file that it had mapped became shorter, or memory is faulty (SIGBUS)").WithHint("check the disk and the model: scout models verify")
	case syscall.SIGSYS:
		return tell(usual, "a sandbox forbids what it did (SIGSYS)").WithHint("allow scout-engine the system calls that it needs")
	case syscall.SIGXCPU, syscall.SIGXFSZ:
		return tell(usual, fmt.Sprintf("it reached a limit of the system (%s)", status.Signal())).WithHint("raise the limit: see ulimit -a")
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		return tell(usual, fmt.Sprintf("somebody ended it (%s)", status.Signal()))
	}
	return tell(usual, fmt.Sprintf("it crashed (%s)", status.Signal()))
}

// limit is a limit of the system and the messages that programs print when they reach it.
type limit struct {
	words *regexp.Regexp
	code  scout.Code
	text  func() string
}

// limits returns the messages of C libraries, C++, ONNX Runtime and Go's runtime when a limit is reached.
func limits() []limit {
	constant := func(text string) func() string { return func() string { return text } }
	return []limit{
		{regexp.MustCompile(`(?i)too many open files|(epollcreate|eventfd|pipe2?) failed (with|errno=?) ?-?24|Error 24`), scout.CodeOpenFiles, openFiles},
		{
			regexp.MustCompile(`(?i)cannot allocate memory|out of memory|bad_alloc|failed to (allocate|reserve|map) |cannot reserve |failed to map segment|not enough memory|errno=12|Error 12\b`),
			scout.CodeOutOfMemory, constant("memory ran out"),
		},
		{
			regexp.MustCompile(`(?i)failed to create new OS thread|pthread_create failed|resource temporarily unavailable|thread constructor failed`),
			scout.CodeProcesses, constant("the limit on processes and threads, or on memory, is reached"),
		},
	}
}

// limitOf returns the limit that a text complains about, nil if there is none.
func limitOf(text string) *limit {
	for _, l := range limits() {
		if l.words.MatchString(text) {
			return &l
		}
	}
	return nil
}

// explained returns a failure that the engine reported, with the code of the limit that it complains about, if any.
func explained(f wire.Failure) error {
	err := f.Err()
	switch scout.CodeOf(err) {
	case scout.CodeEngineFailed, scout.CodeInternal, scout.CodeModelCorrupt, scout.CodeModelUnsupported, scout.CodeReadFailed:
		if l := limitOf(f.Message); l != nil {
			return scout.Errorf(l.code, "%s: %s", l.text(), lastWords(f.Message))
		}
	}
	return err
}

// telling matches the beginnings of lines that say why a program ends: from Go's runtime, C++, the dynamic loader, and
// scout-engine itself.
var telling = regexp.MustCompile(`^(panic: |fatal error: |runtime: |terminate called|scout-engine: |SIG[A-Z]+: )|error while loading shared libraries|what\(\): `)

// longestWords limits the length of a quotation in an error.
const longestWords = 300

// lastWords returns the line that says best why a program ended: the line that it marks as an error, else its last
// line. It skips stacks and registers.
func lastWords(text string) string {
	best := ""
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimSpace(line)
		if telling.MatchString(line) {
			best = line
			break
		}
		if line != "" {
			best = line
		}
	}
	if runes := []rune(best); len(runes) > longestWords {
		best = string(runes[:longestWords]) + "…"
	}
	return best
}
