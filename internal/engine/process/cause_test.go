package process_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/process"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/testrun"
)

// TestWhyAnEngineDoesNotStart checks that every way in which a program fails to become an engine has its cause and its
// remedy.
func TestWhyAnEngineDoesNotStart(t *testing.T) {
	t.Parallel()
	script := func(text string) func(string) error {
		return func(path string) error { return testrun.WriteProgram(path, []byte("#!/bin/sh\n"+text+"\n")) }
	}
	bytes := func(text string, mode os.FileMode) func(string) error {
		return func(path string) error {
			return testrun.Unforked(func() error { return os.WriteFile(path, []byte(text), mode) })
		}
	}
	for name, c := range map[string]struct {
		make    func(path string) error
		timeout time.Duration
		code    scout.Code
		text    string // in the message
		hint    string // in the hint
	}{
		"no program":             {nil, 0, scout.CodeEngineMissing, "not found", "make build"},
		"a folder":               {func(p string) error { return os.Mkdir(p, 0o700) }, 0, scout.CodeEngineMissing, "cannot be run", "chmod"},
		"not executable":         {bytes("#!/bin/sh\n", 0o600), 0, scout.CodeEngineMissing, "cannot be run", "chmod"},
		"garbage":                {bytes("garbage\n", 0o700), 0, scout.CodeEngineMissing, "damaged or made for another machine", "make build"},
		"empty":                  {bytes("", 0o700), 0, scout.CodeEngineMissing, "damaged or made for another machine", "make build"},
		"another machine":        {bytes("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00"+strings.Repeat("\x00", 100), 0o700), 0, scout.CodeEngineMissing, "another machine", "make build"},
		"cut off":                {bytes("\x7fELF\x02\x01\x01", 0o700), 0, scout.CodeEngineMissing, "damaged", "make build"},
		"its loader is missing":  {bytes("#!/no/such/loader\n", 0o700), 0, scout.CodeEngineMissing, "its loader does not exist", "make build"},
		"killed":                 {script("kill -9 $$"), 0, scout.CodeEngineStart, "most likely by the system because memory ran out", "smaller model"},
		"crashed":                {script("kill -SEGV $$"), 0, scout.CodeEngineStart, "crashed (segmentation fault", "models verify"},
		"unknown instruction":    {script("kill -ILL $$"), 0, scout.CodeEngineStart, "this processor does not have", "make build"},
		"mapped file shrank":     {script("kill -BUS $$"), 0, scout.CodeEngineStart, "SIGBUS", "check the disk"},
		"sandbox":                {script("kill -SYS $$"), 0, scout.CodeEngineStart, "sandbox", "allow"},
		"limit on its time":      {script("kill -XCPU $$"), 0, scout.CodeEngineStart, "limit of the system", "ulimit"},
		"somebody ended it":      {script("kill -TERM $$"), 0, scout.CodeEngineStart, "somebody ended it", ""},
		"a library is missing":   {script("echo 'scout-engine: error while loading shared libraries: libonnxruntime.so: cannot open shared object file: No such file or directory' >&2; exit 127"), 0, scout.CodeEngineMissing, "libonnxruntime.so", "lib folder"},
		"library without memory": {script("echo 'error while loading shared libraries: libonnxruntime.so: failed to map segment from shared object: Cannot allocate memory' >&2; exit 127"), 0, scout.CodeOutOfMemory, "memory ran out", "memory"},
		"library without files":  {script("echo 'error while loading shared libraries: libonnxruntime.so: cannot open shared object file: Error 24' >&2; exit 127"), 0, scout.CodeOpenFiles, "open files", "ulimit -n"},
		"Go without memory":      {script("printf 'fatal error: runtime: cannot allocate memory\\n\\ngoroutine 1 [running]:\\nr15 0x0\\ngs 0x0\\n' >&2; exit 2"), 0, scout.CodeOutOfMemory, "its output: fatal error: runtime: cannot allocate memory", "memory"},
		"Go without threads":     {script("printf 'runtime: failed to create new OS thread (have 5 already; errno=11)\\nfatal error: newosproc\\n' >&2; exit 2"), 0, scout.CodeProcesses, "processes and threads", "ulimit -u"},
		"Go without files":       {script("printf 'runtime: epollcreate failed with 24\\nfatal error: runtime: netpollinit failed\\n' >&2; exit 2"), 0, scout.CodeOpenFiles, "open files", "ulimit -n"},
		"C++ without memory":     {script("printf \"terminate called after throwing an instance of 'std::bad_alloc'\\n  what():  std::bad_alloc\\n\" >&2; kill -ABRT $$"), 0, scout.CodeOutOfMemory, "memory ran out", "memory"},
		"says why":               {script("echo first; echo 'the last words' >&2; exit 3"), 0, scout.CodeEngineStart, "exit status 3; its output: the last words", "models verify"},
		"says nothing":           {script("exit 0"), 0, scout.CodeEngineStart, "exit status 0", "models verify"},
		"never says anything":    {script("exec sleep 1000"), 300 * time.Millisecond, scout.CodeEngineLoadTimeout, "not ready within 0.3 s", ""},
		"babbles":                {script("exec cat /bin/sh >&4"), 0, scout.CodeEngineProtocol, "frame of", "same build"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "scout-engine")
			if c.make != nil {
				if err := c.make(program); err != nil {
					t.Fatal(err)
				}
			}
			if c.timeout == 0 {
				c.timeout = 20 * time.Second
			}
			var err error
			for range 20 { // a program that another goroutine's fork still holds open for writing is "busy"
				_, err = process.Start(t.Context(), observe.Scope{}, process.Options{Program: program, LoadTimeout: c.timeout})
				if err == nil || !strings.Contains(err.Error(), "being written") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if scout.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) || !strings.Contains(scout.HintOf(err), c.hint) {
				t.Errorf("code %q, error %v, hint %q\nwant %q, %q, %q", scout.CodeOf(err), err, scout.HintOf(err), c.code, c.text, c.hint)
			}
			if strings.Contains(err.Error(), "fork/exec") || strings.Contains(err.Error(), "goroutine") {
				t.Errorf("Go's own words: %v", err)
			}
		})
	}
}
