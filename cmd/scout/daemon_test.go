//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/testrun"
)

// house is a booth with a data folder that daemons serve.
type house struct{ *booth }

func inHouse(b *booth) *house { return &house{b} }

func (h *house) status() v1.Status {
	h.t.Helper()
	var status v1.Status
	if err := json.Unmarshal([]byte(h.must("status", "--json").out), &status); err != nil {
		h.t.Fatal(err)
	}
	return status
}

// asked is the status that a daemon tells without a command, which would take a twentieth of a second of a processor each time: for tests
// that ask until something has happened. Where no daemon answers, the command starts one.
func (h *house) asked() v1.Status {
	h.t.Helper()
	c, err := client.Connect(h.t.Context(), client.Options{Socket: filepath.Join(h.data, daemon.SocketName), Name: "test"})
	if err != nil {
		return h.status()
	}
	defer c.Close()
	var status v1.Status
	if err := c.Get(h.t.Context(), "/status", &status); err != nil {
		return h.status()
	}
	return status
}

func (h *house) holder() (daemon.Holder, bool) {
	h.t.Helper()
	holder, running, err := daemon.HolderOf(h.data)
	if err != nil {
		h.t.Fatal(err)
	}
	return holder, running
}

// client is a client of the daemon that runs. The caller closes it.
func (h *house) client() *client.Client {
	h.t.Helper()
	c, err := client.Connect(h.t.Context(), client.Options{Socket: filepath.Join(h.data, daemon.SocketName), Name: "test"})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) untilNoDaemon() {
	h.t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) { // nothing announces the end of a process that is no child
		if _, running := h.holder(); !running {
			return
		}
		if time.Since(began) > patience {
			h.t.Fatal("the daemon does not end")
		}
	}
}

func kill(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

func TestCommandsStartOneDaemon(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	var wait sync.WaitGroup
	pids := make([]int, 6)
	for i := range pids {
		wait.Go(func() {
			var status v1.Status
			got := h.run("status", "--json")
			if err := json.Unmarshal([]byte(got.out), &status); err != nil || got.code != 0 {
				t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
			}
			pids[i] = status.PID
		})
	}
	wait.Wait()
	holder, running := h.holder()
	if !running || len(slices.Compact(slices.Sorted(slices.Values(pids)))) != 1 || pids[0] != holder.PID {
		t.Errorf("daemons %v answered, %+v serves", pids, holder)
	}
	if got := h.run("serve"); got.code != 1 || !strings.Contains(got.err, fmt.Sprintf("process %d", holder.PID)) || !strings.Contains(got.err, "scout serve stop") {
		t.Errorf("a second daemon: exit %d: %s", got.code, got.err)
	}
	if got := h.must("serve", "restart"); !strings.Contains(got.err, "running") || h.status().PID == holder.PID {
		t.Errorf("restart: %s", got.err)
	}
	h.must("serve", "stop")
	if _, running := h.holder(); running {
		t.Error("it goes on after serve stop")
	}
	if got := h.must("serve", "stop"); !strings.Contains(got.err, "no daemon is running") {
		t.Errorf("a second stop: %s", got.err)
	}
	if _, err := os.Lstat(filepath.Join(h.data, daemon.SocketName)); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// A recording loses nothing, whatever happens to the daemon: it is killed with its whole group, ends normally, or is
// suspended and killed.
func TestARecordingOutlivesItsDaemon(t *testing.T) {
	t.Parallel()
	h := inHouse(newBooth(t))
	id := strings.TrimSpace(h.must(append([]string{"start"}, studio...)...).out)
	witness := h.mic.Listen(48_000, 1)
	player := h.mic.PlayCoded(codedSeed, 48_000, 1, 5*time.Second)
	h.untilFrames(48_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 6 {
		was := h.status()
		if r := was.Recorder.Recording; r == nil || r.ID != id {
			t.Fatalf("round %d: the daemon knows of no recording: %+v", i, was.Recorder)
		}
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond) // a random moment is what is tested
		switch i % 3 {
		case 0:
			kill(t, was.PID, syscall.SIGKILL)
		case 1:
			kill(t, -was.PID, syscall.SIGKILL) // its group, which is its session
		case 2:
			kill(t, was.PID, syscall.SIGTERM)
		}
		h.untilNoDaemon()
	}
	<-player.Done()
	h.status() // starts a daemon
	if metrics := h.fetch("/metrics"); !strings.Contains(metrics, `scout_active_recordings{process="recorder"} 1`) {
		t.Errorf("the metrics say nothing of the recording:\n%s", metrics)
	}
	got := h.must("stop")
	m := h.only()
	if strings.TrimSpace(got.out) != h.folder().AudioPath(m.ID) || string(m.ID) != id || m.Resumed != 0 || len(m.Gaps) != 0 {
		t.Errorf("%s%s: %+v", got.out, got.err, m)
	}
	_, runs := h.heard(m, 6*48_000)
	delivered := pulsetest.Decode(witness.Stop(), 1, codedSeed, 6*48_000)
	if missing := pulsetest.Missing(runs, delivered); missing > 0 || len(delivered) == 0 {
		t.Errorf("%d frames are missing that another program heard: recorded %v, the other %v", missing, runs, delivered)
	}
}

func TestStartAndStopMayBeRepeated(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	if got := h.run("stop"); got.code != 1 || !strings.Contains(got.err, "nothing was recorded yet") || !strings.Contains(got.err, "scout start") {
		t.Errorf("a stop before the first start: exit %d: %s", got.code, got.err)
	}
	if got := h.run("start", "--device", "no such microphone"); got.code != 1 || got.out != "" {
		t.Errorf("a device that is not there: exit %d: %s%s", got.code, got.out, got.err)
	}
	id := h.must("start", "--device", "tone:440").out
	if again := h.must("start", "--device", "tone:440"); again.out != id || !strings.Contains(again.err, "already") {
		t.Errorf("started again: %s%s", again.out, again.err)
	}
	if other := h.run("start", "--device", "tone:880"); other.code != 1 || !strings.Contains(other.err, strings.TrimSpace(id)) || !strings.Contains(other.err, "scout stop") {
		t.Errorf("another start: exit %d: %s", other.code, other.err)
	}
	elsewhere := h.command("start", "--device", "tone:440", "--recordings-dir", t.TempDir())
	if got := outcomeOf(t, elsewhere); got.code != 1 || !strings.Contains(got.err, h.dir) {
		t.Errorf("a start in another folder: exit %d: %s", got.code, got.err)
	}
	h.untilFrames(8_000)
	path := h.must("stop").out
	if again := h.must("stop"); again.out != path || !strings.Contains(again.err, "nothing is being recorded") {
		t.Errorf("stopped again: %s%s", again.out, again.err)
	}
	if m := h.only(); string(m.ID)+"\n" != id || m.EndReason.Err() != nil {
		t.Errorf("%+v", m)
	}
	// The recording of another command is known and can be stopped. The daemon does not keep it running.
	p := h.start("record", "--device", "tone:440")
	p.await("recording…")
	if state := h.status().Recorder; state.State != "recording" {
		t.Errorf("the recorder is %+v", state)
	}
	h.must("stop")
	if got := p.end(); got.code != 0 {
		t.Errorf("scout record: exit %d: %s", got.code, got.err)
	}
}

// A daemon that a command started ends when nothing is open, and not earlier.
func TestAnIdleDaemonEnds(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.env = slices.Concat(h.env, []string{"SCOUT_DAEMON__IDLE=300ms"})
	h.must("start", "--device", "tone:440")
	first, _ := h.holder()
	h.untilFrames(16_000) // a second: more than three times as long
	if now, running := h.holder(); !running || now.PID != first.PID {
		t.Errorf("the daemon ended while something was recorded")
	}
	h.must("stop")
	h.untilNoDaemon()
	log, err := os.ReadFile(filepath.Join(h.data, daemon.LogName))
	if err != nil || !strings.Contains(string(log), "msg=daemon_stopped component=daemon reason=idle") {
		t.Errorf("%v: %s", err, log)
	}
	p := h.start("serve")
	p.await("serving on")
	h.must("status")
	if before, after := h.status().PID, p.cmd.Process.Pid; before != after {
		t.Errorf("process %d answers, %d serves", before, after)
	}
	p.signal(syscall.SIGTERM)
	if got := p.end(); got.code != 0 || strings.Contains(got.err, "reason=idle") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

func TestWhatIsAtTheSocketOfADaemon(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		make func(t *testing.T, path string)
		want []string
	}{
		"a file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"no socket", "scout.sock"}},
		"a symbolic link": {func(t *testing.T, path string) {
			if err := os.Symlink("/dev/null", path); err != nil {
				t.Fatal(err)
			}
		}, []string{"scout.sock"}},
		"another program": {func(t *testing.T, path string) {
			listener, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() }) // the test is over
			go func() {                                // ended by the close of the listener
				for {
					c, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = c.Write([]byte("220 mail.example.org ESMTP\r\n")) // it hangs up anyway
					_ = c.Close()                                            // the test is over
				}
			}()
		}, []string{"daemon"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			path := filepath.Join(h.data, daemon.SocketName)
			if err := os.MkdirAll(h.data, 0o700); err != nil {
				t.Fatal(err)
			}
			c.make(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			got := h.run("status")
			for _, want := range c.want {
				if got.code != 1 || !strings.Contains(got.err, want) || !strings.Contains(got.err, "hint: ") {
					t.Errorf("status: exit %d: %s; want %q and a hint", got.code, got.err, want)
				}
			}
			if got := h.run("serve"); got.code != 1 || !strings.Contains(got.err, path) || !strings.Contains(got.err, "hint: move away") {
				t.Errorf("serve: exit %d: %s", got.code, got.err)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("what was there is %v, %v now", after, err)
			}
		})
	}
}

func TestADaemonThatDoesNotAnswerIsNamedAndReplaced(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	first := h.status().PID
	testrun.Suspend(t, first)
	if got := h.run("status"); got.code != 1 || !strings.Contains(got.err, "does not answer") || !strings.Contains(got.err, "scout serve restart") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	if got := h.run("health"); got.code != 2 || !strings.Contains(got.out, "daemon") || !strings.Contains(got.out, "Unhealthy") {
		t.Errorf("health: exit %d: %s%s", got.code, got.out, got.err)
	}
	if got := h.must("serve", "restart"); !strings.Contains(got.err, strconv.Itoa(first)) || h.status().PID == first {
		t.Errorf("restart: %s", got.err)
	}
}

// A health check changes nothing: it makes no folder and starts no process.
func TestHealthStartsNothing(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	got := h.run("health", "--json")
	var health v1.Health
	if err := json.Unmarshal([]byte(got.out), &health); err != nil || len(health.Components) < 3 {
		t.Errorf("exit %d, %v: %s", got.code, err, got.out)
	}
	for _, dir := range []string{h.data, h.dir} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	none := h.command("health")
	none.Env = slices.Concat(h.env, []string{"SCOUT_MODELS=" + filepath.Join(t.TempDir(), "none")})
	if got := outcomeOf(t, none); got.code != 2 || !strings.Contains(got.out, "Unhealthy") || !strings.Contains(got.out, "scout models pull") {
		t.Errorf("without a model: exit %d: %s%s", got.code, got.out, got.err)
	}
}

// Relative paths that a command is given are also right for the daemon that it starts in another folder.
func TestRelativePathsReachTheDaemon(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	dir := filepath.Dir(h.data)
	cmd := h.command("status", "--json", "--recordings-dir", "takes")
	cmd.Dir = dir
	cmd.Env = slices.Concat(h.env, []string{"SCOUT_DATA=data"})
	got := outcomeOf(t, cmd)
	var status v1.Status
	if err := json.Unmarshal([]byte(got.out), &status); err != nil || status.DataDir != h.data || status.RecordingsDir != filepath.Join(dir, "takes") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
}

// A daemon that cannot start tells the command that started it why.
func TestWhyADaemonDoesNotStart(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data, "not-a-folder"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := h.command("status")
	cmd.Env = slices.Concat(h.env, []string{"SCOUT_RECORDINGS=" + filepath.Join(h.data, "not-a-folder")})
	if got := outcomeOf(t, cmd); got.code != 1 || !strings.Contains(got.err, "not-a-folder") || strings.Count(got.err, "\n") != 2 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// A service manager hears when the daemon is ready and when it ends, and may make its socket.
func TestServiceManager(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	dir := t.TempDir()
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close() //nolint:errcheck // the test is over
	if err := notices.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	next := func() string {
		buffer := make([]byte, 100)
		n, err := notices.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	socket := filepath.Join(dir, "given.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the test is over
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), "sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, filepath.Join(programs, "scout"))
	cmd.Env = slices.Concat(h.env, []string{"LISTEN_FDS=1", "NOTIFY_SOCKET=" + filepath.Join(dir, "notify")})
	cmd.ExtraFiles = []*os.File{file}
	p := h.launch(cmd)
	if got := next(); got != "READY=1" {
		t.Errorf("the first notice is %q", got)
	}
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test is over
	if _, err := c.Write([]byte("GET /livez HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := c.Read(answer); err != nil || string(answer) != "HTTP/1.0 200" {
		t.Errorf("%q, %v", answer, err)
	}
	p.signal(syscall.SIGTERM)
	if got := next(); got != "STOPPING=1" {
		t.Errorf("the last notice is %q", got)
	}
	if got := p.end(); got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("the socket of the service manager is gone: %v", err)
	}
}

// A client of another user is refused, even if the mode of the socket allows the connection.
func TestAClientOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only the administrator can become another user")
	}
	base, err := os.MkdirTemp("", "scout-uid-") //nolint:usetesting // only its own user may enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	h := inHouse(quietBooth(t))
	h.data = filepath.Join(base, "data")
	h.env = slices.Concat(h.env, []string{"SCOUT_DATA=" + h.data})
	h.must("status")
	socket := filepath.Join(h.data, daemon.SocketName)
	for _, path := range []string{base, h.data, socket} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(filepath.Join(programs, "scout"))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(base, "scout")
	if err := testrun.WriteProgram(other, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), other, "status")
	cmd.Env, cmd.Dir = h.env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	got := outcomeOf(t, cmd)
	if got.code != 1 || got.out != "" || !strings.Contains(got.err, "serves the user 0 alone, not the user 65534") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
}
