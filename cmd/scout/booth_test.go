//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// booth is a folder of recordings and a data folder, with a sound server if the test needs one.
type booth struct {
	t      *testing.T
	dir    string
	data   string
	server *pulsetest.Server
	mic    *pulsetest.Microphone
	env    []string
}

// noSelfTest has daemons load no model at their start, which would take 0.2 s of a processor each time. Tests whose daemon is to prove
// that it works set it to on.
const noSelfTest = "SCOUT_HEALTH__START_SELFTEST=off"

// onePass leaves out the second pass of dictations, which would load a second model in each daemon. Tests of it set it to on.
const onePass = "SCOUT_DICTATION__SECOND_PASS=off"

// quietBooth has no sound server.
func quietBooth(t *testing.T) *booth {
	t.Helper()
	home, err := os.MkdirTemp("", "booth") //nolint:usetesting // there are sockets in it, whose paths are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	b := &booth{t: t, dir: filepath.Join(home, "recordings"), data: filepath.Join(home, "data")}
	b.env = append(os.Environ(), "SCOUT_DATA="+b.data, "SCOUT_RECORDINGS="+b.dir, noSelfTest, onePass, "PULSE_SERVER=unix:"+filepath.Join(home, "none"), "SCOUT_DEVICE=")
	t.Cleanup(b.close)
	return b
}

// newBooth has a sound server and a microphone.
func newBooth(t *testing.T) *booth {
	t.Helper()
	b := quietBooth(t)
	b.server = pulsetest.Start(t)
	b.mic = b.server.AddMicrophone("mic", 48_000, 1)
	b.env = append(b.server.Env(), "SCOUT_DATA="+b.data, "SCOUT_RECORDINGS="+b.dir, noSelfTest, onePass, "SCOUT_DEVICE=")
	return b
}

// close ends the daemon and the recorder, if they run.
func (b *booth) close() {
	if _, running, err := daemon.HolderOf(b.data); err != nil || running {
		if got := b.run("serve", "stop"); got.code != 0 {
			b.t.Errorf("serve stop: exit %d: %s", got.code, got.err)
		}
	}
	if b.t.Failed() {
		if log, err := os.ReadFile(filepath.Join(b.data, daemon.LogName)); err == nil {
			b.t.Logf("the daemon says: %s", log)
		}
	}
	if b.t.Failed() {
		if log, err := os.ReadFile(filepath.Join(b.dir, remote.LogName)); err == nil {
			b.t.Logf("the recorder says: %s", log)
		}
	}
	endRecorder(b.t, b.dir)
}

// endRecorder ends the recorder of a folder, if it runs: an idle one stays for half a minute.
func endRecorder(t *testing.T, dir string) {
	t.Helper()
	client, err := remote.Dial(context.Background(), dir, remote.Options{})
	if err != nil {
		return // it ended
	}
	if err := client.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	<-client.Done()
	for { // the connection ends a moment before the lock
		lock, err := recording.TakeLock(dir)
		if scout.CodeOf(err) == scout.CodeRecordingLocked {
			time.Sleep(5 * time.Millisecond) // nothing announces the end of a process that is no child
			continue
		}
		if err != nil {
			t.Error(err)
		} else if err := lock.Close(); err != nil {
			t.Error(err)
		}
		return
	}
}

func (b *booth) command(args ...string) *exec.Cmd {
	c := command(context.Background(), args...)
	c.Env = b.env
	return c
}

// run runs the program to its end.
func (b *booth) run(args ...string) outcome {
	b.t.Helper()
	var out, errOut bytes.Buffer
	c := b.command(args...)
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return outcome{out.String(), errOut.String(), c.ProcessState.ExitCode()}
}

// must is like run, but the program has to succeed.
func (b *booth) must(args ...string) outcome {
	b.t.Helper()
	got := b.run(args...)
	if got.code != 0 {
		b.t.Fatalf("scout %s: exit %d: %s%s", strings.Join(args, " "), got.code, got.out, got.err)
	}
	return got
}

func (b *booth) folder() *recording.Folder {
	b.t.Helper()
	folder, err := recording.OpenFolder(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return folder
}

// only returns the manifest of the only recording, checked against its audio. The text of a dictation is there a moment before the
// file of its recording is final.
func (b *booth) only() recording.Manifest {
	b.t.Helper()
	list, problems, err := b.folder().List()
	for until := time.Now().Add(patience); err == nil && len(list) == 1 && list[0].State == recording.StateRecording && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond) // nothing announces it to a test
		list, problems, err = b.folder().List()
	}
	if err != nil || len(list) != 1 || len(problems) != 0 {
		b.t.Fatalf("recordings %+v, problems %v, %v", list, problems, err)
	}
	if _, err := b.folder().Verify(list[0].ID); err != nil {
		b.t.Error(err)
	}
	return list[0]
}

// running is a program that runs.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer

	mu      sync.Mutex
	changed *sync.Cond
	said    strings.Builder // stderr
	ended   bool
	late    bool
}

// patience is how long a program may take for anything, on a busy machine.
const patience = 40 * time.Second

// start starts the program in its own process group, as a shell does.
func (b *booth) start(args ...string) *running {
	b.t.Helper()
	return b.launch(b.command(args...))
}

// launch starts any program in that way.
func (b *booth) launch(cmd *exec.Cmd) *running {
	b.t.Helper()
	p := &running{t: b.t, cmd: cmd}
	p.changed = sync.NewCond(&p.mu)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stdout = &p.out
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }) // where the test broke off
	go p.read(stderr)                                                             // ends with the process
	return p
}

func (p *running) read(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		p.mu.Lock()
		p.said.WriteString(lines.Text() + "\n")
		p.changed.Broadcast()
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.changed.Broadcast()
}

// await waits until the program says text on stderr.
func (p *running) await(text string) {
	p.t.Helper()
	late := time.AfterFunc(patience, func() { // whoever hangs fails, and says where
		p.mu.Lock()
		defer p.mu.Unlock()
		p.late = true
		p.changed.Broadcast()
	})
	defer late.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !strings.Contains(p.said.String(), text) {
		if p.ended || p.late {
			p.t.Fatalf("it did not say %q: %s", text, p.said.String())
		}
		p.changed.Wait()
	}
}

func (p *running) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits until the program has ended.
func (p *running) end() outcome {
	p.t.Helper()
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Signal(syscall.SIGABRT) }) // it tells where it hangs
	defer late.Stop()
	p.mu.Lock()
	for !p.ended {
		p.changed.Wait()
	}
	p.mu.Unlock()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return outcome{p.out.String(), p.said.String(), p.cmd.ProcessState.ExitCode()}
}

// untilFrames waits until that many frames are in the file.
func (b *booth) untilFrames(n uint64) {
	b.t.Helper()
	for {
		list, _, err := b.folder().List()
		if err != nil {
			b.t.Fatal(err)
		}
		for _, m := range list {
			info, err := os.Stat(b.folder().AudioPath(m.ID))
			if err == nil && uint64(info.Size()) >= recording.HeaderBytes+n*uint64(m.Format.FrameBytes()) {
				return
			}
		}
		time.Sleep(5 * time.Millisecond) // the growing file is what is tested, nothing announces it
	}
}

// recorderPID returns the process that records.
func (b *booth) recorderPID() int {
	b.t.Helper()
	client, err := remote.Dial(b.t.Context(), b.dir, remote.Options{})
	for err != nil && recording.HasParent(b.dir) { // it is coming back
		client, err = remote.Dial(b.t.Context(), b.dir, remote.Options{})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // it was only asked
	return client.PID()
}

// heard returns how much of the coded signal is in a recording, and in how many runs.
func (b *booth) heard(m recording.Manifest, longest uint64) (frames uint64, runs []pulsetest.Run) {
	b.t.Helper()
	content, err := os.ReadFile(b.folder().AudioPath(m.ID))
	if err != nil {
		b.t.Fatal(err)
	}
	runs = pulsetest.Decode(content[recording.HeaderBytes:], m.Format.Channels, codedSeed, longest)
	for _, r := range runs {
		frames += r.Frames
	}
	return frames, runs
}

// replacedText is what a person who watches a recording reads when its recorder has died and another one has taken
// over.
const replacedText = "another one continues the recording"

const codedSeed = 9

var studio = []string{"--rate", "48000", "--channels", "1", "--format", "s16", "--device", "mic.monitor"}

func (b *booth) list() []recording.Manifest {
	b.t.Helper()
	list, _, err := b.folder().List()
	if err != nil || len(list) == 0 {
		b.t.Fatalf("recordings %v, %v", list, err)
	}
	return list
}
