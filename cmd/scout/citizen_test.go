package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/testrun"
)

// buffer is written by a process and read by a test.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// scoutProcess is a process of scout.
type scoutProcess struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err buffer
	ended    chan struct{} // closed when it ended; how is in cmd.ProcessState
	waits    func() bool   // reports whether it waits; nil if it does nothing at all then
}

// start starts scout in the folder. It is killed with the test.
func (p *place) start(args ...string) *scoutProcess {
	p.t.Helper()
	r := &scoutProcess{t: p.t, cmd: command(context.Background(), args...), ended: make(chan struct{})}
	r.cmd.Dir = p.dir
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	return r
}

func (r *scoutProcess) run() *scoutProcess {
	r.t.Helper()
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait() // the state has it, too
	}() // ends with the process, which the cleanup kills
	r.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

// until waits for something that the process does.
func (r *scoutProcess) until(what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s did not happen: %q", what, r.err.String())
		}
	}
}

// settled waits until the process and its engine have started and use no more processor time, because they wait for
// something.
func (r *scoutProcess) settled() {
	r.t.Helper()
	var before uint64
	calm := 0
	r.until("calm", func() bool {
		now, asleep := r.activity(r.cmd.Process.Pid)
		children, err := os.ReadFile(childrenFile(r.cmd.Process.Pid))
		if _, own := os.Stat(childrenFile(os.Getpid())); own != nil {
			r.t.Skip("this system does not tell what a process does")
		}
		if err != nil {
			r.t.Fatalf("it ended, and did not wait for something: %q", r.err.String())
		}
		for _, child := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				r.t.Fatal(err)
			}
			used, sleeps := r.activity(pid)
			now, asleep = now+used, asleep && sleeps
		}
		if now == before && now > 0 && asleep {
			calm++
		} else {
			calm = 0
		}
		before = now
		return calm > 40
	})
}

// childrenFile names the children of a process.
func childrenFile(pid int) string { return fmt.Sprintf("/proc/%d/task/%d/children", pid, pid) }

// activity returns the processor time of a process in nanoseconds, and whether all its threads sleep, rather than only
// wait for a processor.
func (r *scoutProcess) activity(pid int) (used uint64, asleep bool) {
	r.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil {
		r.t.Fatal(err)
	}
	asleep = true
	for _, thread := range threads {
		stat, err := os.ReadFile(filepath.Join(thread, "stat"))
		times, timesErr := os.ReadFile(filepath.Join(thread, "schedstat"))
		if err != nil || timesErr != nil {
			return used, false // it ended just now
		}
		state := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))[1]
		asleep = asleep && state == "S"
		first, _, _ := strings.Cut(string(times), " ")
		n, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		used += n
	}
	return used, asleep
}

// TestSignalsEndEverything: whatever scout waits for, a signal ends it at once, with the exit code of the signal.
func TestSignalsEndEverything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setup string
		args  []string
		hang  func(t *testing.T, r *scoutProcess) // gives it a standard stream that hangs, or an engine
		sig   syscall.Signal
	}{
		"a FIFO without a writer, Ctrl-C":       {"mkfifo p.wav", []string{"transcribe", "p.wav"}, nil, syscall.SIGINT},
		"a FIFO without a writer, terminated":   {"mkfifo p.wav", []string{"transcribe", "-q", "p.wav"}, nil, syscall.SIGTERM},
		"a FIFO without a writer, hung up":      {"mkfifo p.wav", []string{"transcribe", "-q", "p.wav"}, nil, syscall.SIGHUP},
		"a FIFO without a writer, Ctrl-\\":      {"mkfifo p.wav", []string{"transcribe", "-q", "p.wav"}, nil, syscall.SIGQUIT},
		"a FIFO without a reader, Ctrl-C":       {"mkfifo q.txt", []string{"transcribe", "-q", "speech.wav", "-o", "q.txt"}, nil, syscall.SIGINT},
		"a FIFO without a reader, terminated":   {"mkfifo q.txt", []string{"transcribe", "-q", "speech.wav", "-o", "q.txt"}, nil, syscall.SIGTERM},
		"standard input that hangs":             {"", []string{"transcribe", "-q", "-"}, hangingInput, syscall.SIGINT},
		"standard input that hangs, terminated": {"", []string{"transcribe", "-q", "-"}, hangingInput, syscall.SIGTERM},
		"a full standard output":                {"", []string{"transcribe", "-q", "speech.wav"}, hangingOutput, syscall.SIGINT},
		"a full standard output, terminated":    {"", []string{"transcribe", "-q", "-f", "json", "speech.wav"}, hangingOutput, syscall.SIGTERM},
		"an engine that says nothing":           {"", []string{"transcribe", "-q", "speech.wav"}, muteEngine, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.clip("speech.wav")
			if c.setup != "" {
				p.sh(c.setup)
			}
			r := p.start(c.args...)
			if c.hang != nil {
				c.hang(t, r)
			}
			r.run()
			if r.waits == nil {
				r.settled()
			} else {
				r.until("what it waits for", r.waits)
			}
			began := time.Now()
			if err := r.cmd.Process.Signal(c.sig); err != nil {
				t.Fatal(err)
			}
			select {
			case <-r.ended:
			case <-time.After(20 * time.Second):
				t.Fatalf("it runs on: %q", r.err.String())
			}
			t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
			status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !ok {
				t.Skip("no wait status here")
			}
			died := status.Signaled() && status.Signal() == c.sig
			if c.sig == syscall.SIGQUIT { // dying of it would print stacks, or leave a core
				died = status.ExitStatus() == 128+int(c.sig)
			}
			if !died {
				t.Errorf("ended with %v: want to die of %v", r.cmd.ProcessState, c.sig)
			}
			if said := r.err.String(); strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "scout: interrupted") {
				t.Errorf("said %q: want one line", said)
			}
		})
	}
}

func hangingInput(t *testing.T, r *scoutProcess) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close(); _ = write.Close() })
	if _, err := write.WriteString("RIFF"); err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdin = read
}

// hangingOutput is a pipe that is full and that nobody reads.
func hangingOutput(t *testing.T, r *scoutProcess) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close(); _ = write.Close() })
	fd := int(write.Fd()) // which makes it block, each time
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := syscall.Write(fd, make([]byte, 4096)); err != nil {
			break
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout = write
}

// muteEngine is an engine that starts and says nothing.
func muteEngine(t *testing.T, r *scoutProcess) {
	engine := filepath.Join(t.TempDir(), "scout-engine")
	if err := testrun.WriteProgram(engine, []byte("#!/bin/sh\n: >\"$0.runs\"\nexec sleep 1000\n")); err != nil {
		t.Fatal(err)
	}
	r.cmd.Env = append(os.Environ(), "SCOUT_ENGINE="+engine)
	r.waits = func() bool { // it looks now and then whether the engine hangs, so it is never calm
		_, err := os.Stat(engine + ".runs")
		return err == nil
	}
}

// spokenStream returns the clip several times, as one WAV stream.
func spokenStream(t *testing.T, times int) []byte {
	t.Helper()
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("data")) + 8
	out := bytes.Clone(data[:at])
	for i := at - 4; i < at; i++ {
		out[i] = 0xFF // as long as the stream
	}
	for range times {
		out = append(out, data[at:]...)
	}
	return out
}

// interruptible is a stream of speech that stops in the middle and stays open.
func interruptible(t *testing.T, r *scoutProcess) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdin = read
	done := make(chan struct{})
	go func() { // ends with the cleanup, which closes the pipe
		defer close(done)
		_, _ = write.Write(spokenStream(t, 8))
	}()
	t.Cleanup(func() { _ = read.Close(); _ = write.Close(); <-done })
}

// TestTextThatWasMadeIsKept: an interruption loses no text that is settled.
func TestTextThatWasMadeIsKept(t *testing.T) {
	t.Parallel()
	t.Run("on standard output, as it is made", func(t *testing.T) {
		t.Parallel()
		r := newPlace(t).start("transcribe", "-q", "-")
		interruptible(t, r)
		r.run()
		r.until("text", func() bool { return strings.Contains(r.out.String(), "country") })
		if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		<-r.ended
		if !strings.Contains(r.out.String(), "ask not") || !strings.HasSuffix(r.out.String(), "\n") || !strings.Contains(r.err.String(), "complete up to ") {
			t.Errorf("%q, %q", r.out.String(), r.err.String())
		}
	})
	for name, output := range map[string]string{"beside a file": "x.txt", "in a folder": "d/", "in another format": "x.srt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			r := p.start("transcribe", "-q", "-", "-o", output)
			interruptible(t, r)
			r.run()
			r.settled() // what can be decoded is
			if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			<-r.ended
			file := output
			if output == "d/" {
				file = "d/stdin.txt"
			}
			if text := p.read(file + ".partial"); !strings.Contains(text, "ask not") {
				t.Errorf("%q", text)
			}
			if _, err := os.Stat(p.path(file)); err == nil {
				t.Errorf("%s is there", file)
			}
			if said := r.err.String(); !strings.Contains(said, file+".partial") || strings.Count(said, "\n") != 1 {
				t.Errorf("%q", said)
			}
		})
	}
}

// TestNobodyReadsTheText: if nobody reads standard output, as after "| head", the program ends quietly.
func TestNobodyReadsTheText(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.clip("speech.wav")
	got := p.sh("scout transcribe -q speech.wav speech.wav speech.wav | head -c 1; echo \" ${PIPESTATUS[0]}\"")
	if got.err != "" || got.out != "= 141\n" && got.out != "= 0\n" {
		t.Errorf("%q, %q", got.out, got.err)
	}
	if got := p.sh("scout models list | true; echo ${PIPESTATUS[0]}"); got.err != "" {
		t.Errorf("%q, %q", got.out, got.err)
	}
}

// TestShellLoopEnds: a shell ends its loop when the program died of Ctrl-C.
func TestShellLoopEnds(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.sh("mkfifo p.wav")
	cmd := bash(t.Context(), `for f in 1 2 3; do echo $f; scout transcribe -q p.wav; done; echo not reached`)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out, errOut buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	late := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }) // a loop that does not end fails
	defer late.Stop()
	read := time.Now().Add(30 * time.Second)
	for { // until scout reads: then the loop is in its first round for ever
		write, err := os.OpenFile(p.path("p.wav"), os.O_WRONLY|syscall.O_NONBLOCK, 0) // fails until somebody reads
		if err == nil {
			t.Cleanup(func() { _ = write.Close() })
			break
		}
		if time.Now().After(read) {
			t.Fatalf("nobody reads: %v, %q", err, errOut.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if out.String() != "1\n" {
		t.Errorf("%q, %q", out.String(), errOut.String())
	}
}
