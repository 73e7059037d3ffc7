//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

// units runs scripts/install.sh for a user with this home and path, and returns its output.
func units(t *testing.T, home, path string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../../scripts/install.sh", args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + path, "BIN=" + programs}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// unsharing returns a path on which making a user namespace works, or fails.
func unsharing(t *testing.T, outcome string) string {
	t.Helper()
	folder := t.TempDir()
	if err := testrun.WriteProgram(filepath.Join(folder, "unshare"), []byte("#!/bin/sh\n"+outcome+"\n")); err != nil {
		t.Fatal(err)
	}
	return folder + ":" + os.Getenv("PATH")
}

// The units pass systemd's own check, let a recording outlive the daemon, and keep what a user has changed. No manager
// is started.
func TestUnits(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path, forbidden := unsharing(t, "true"), unsharing(t, "false")
	for name, program := range map[string]string{".local/bin/scout": "scout", ".local/lib/scout/scout-recorder": "scout-recorder"} {
		target := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(programs, program), target); err != nil {
			t.Fatal(err)
		}
	}
	folder := filepath.Join(home, ".config", "systemd", "user")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(folder, "scout.socket")
	if err := os.WriteFile(own, []byte("[Socket]\nListenStream=%h/mine.sock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := units(t, home, path, "--units"); !strings.Contains(said, "scout.socket is not of make install-user and stays as it is") {
		t.Errorf("%s", said)
	}
	if content, err := os.ReadFile(own); err != nil || !strings.Contains(string(content), "mine.sock") {
		t.Errorf("a unit of the user was replaced: %s, %v", content, err)
	}
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	units(t, home, path, "--units")
	if said := units(t, home, forbidden, "--units"); !strings.Contains(said, "user namespaces are not allowed here") { // again, over itself
		t.Errorf("%s", said)
	}

	service, err := os.ReadFile(filepath.Join(folder, "scout.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"ExecStart=" + home + "/.local/bin/scout serve", "KillMode=process", "OOMPolicy=continue", "Type=notify"} {
		if !strings.Contains(string(service), "\n"+line+"\n") {
			t.Errorf("scout.service lacks %s", line)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	instance := filepath.Join(folder, "scout-recorder@tmp-takes.service")
	if err := os.Symlink("scout-recorder@.service", instance); err != nil {
		t.Fatal(err)
	}
	analyze := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "systemd-analyze", args...)
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if said := analyze("--user", "--man=no", "verify", filepath.Join(folder, "scout.service"), filepath.Join(folder, "scout.socket"), instance); strings.Contains(said, "scout") {
		t.Errorf("verify: %s", said)
	}
	services := []string{filepath.Join(folder, "scout.service"), instance}
	for _, unit := range services {
		analyze("security", "--offline=yes", "--threshold=63", unit)
	}
	units(t, home, path, "--units")
	for _, unit := range services {
		analyze("security", "--offline=yes", "--threshold=28", unit)
	}

	// Removing only removes the units of this prefix.
	list := filepath.Join(home, ".local", "lib", "scout", "installed.txt")
	if err := os.WriteFile(list, []byte("bin/scout\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("[Socket]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	units(t, home, path, "--remove")
	if left, err := filepath.Glob(filepath.Join(folder, "scout*")); err != nil || strings.Join(left, " ") != own+" "+instance && strings.Join(left, " ") != instance+" "+own {
		t.Errorf("left are %v, %v", left, err)
	}
}

// If a manager of the user's services answers, a recorder is started in its own scope, or directly if that fails. The
// program systemd-run and the manager belong to the test: no real one is asked.
func TestARecorderHasAScopeOfItsOwn(t *testing.T) {
	t.Parallel()
	const asks = `echo "$@" >>"$ASKED"; `
	for situation, c := range map[string]struct {
		script  string
		manager bool // whether one answers
		asked   bool // whether systemd-run is
	}{
		"it works":                      {asks + `while [ "$1" != -- ]; do shift; done; shift; exec "$@"`, true, true},
		"no manager answers":            {asks, false, false},
		"systemd-run fails":             {asks + `echo "Failed to connect to bus" >&2; exit 1`, true, true},
		"systemd-run cannot be run":     {"", true, false},
		"systemd-run does nothing":      {asks, true, true},
		"the manager accepts and hangs": {asks + `exec sleep 1000`, true, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			dir, runtime := t.TempDir(), managerFolder(t, c.manager)
			interpreter := "#!/bin/bash\n"
			if c.script == "" {
				interpreter = "#!/no/such/interpreter\n"
			}
			if err := testrun.WriteProgram(filepath.Join(dir, "systemd-run"), []byte(interpreter+c.script+"\n")); err != nil {
				t.Fatal(err)
			}
			asked := filepath.Join(dir, "asked")
			b.env = append(b.env, "PATH="+dir+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+runtime, "ASKED="+asked)
			b.must("record", "--device", "tone:440", "--duration", "0.3")
			b.only()
			said, err := os.ReadFile(asked)
			if (err == nil) != c.asked || c.asked && !strings.HasPrefix(string(said), "--user --scope --quiet --collect -- "+filepath.Join(programs, "scout-recorder")+" ") {
				t.Errorf("systemd-run was asked for %q, %v", said, err)
			}
		})
	}
}

// managerFolder returns a runtime folder with the socket of a service manager, on which somebody accepts connections or
// not.
func managerFolder(t *testing.T, answers bool) string {
	t.Helper()
	runtime, err := os.MkdirTemp("", "run") //nolint:usetesting // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runtime) }) // the suite removes it at the latest
	if err := os.Mkdir(filepath.Join(runtime, "systemd"), 0o700); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(runtime, "systemd", "private")
	if !answers {
		testrun.LeaveSocket(t, socket)
		return runtime
	}
	manager, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Close() }) // it was only there
	return runtime
}

// The daemon of a unit runs in a user namespace without capabilities, with a file system that is partly read-only.
// Clients outside can reach it, and what it starts can record.
func TestTheDaemonWorksAsItsUnitConfinesIt(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"unshare", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian: util-linux)", program)
		}
	}
	h := inHouse(newBooth(t))
	confined := h.command("serve")
	confined.Args = append([]string{
		"unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--uts", "sh", "-c",
		`mount --bind /usr /usr && mount -o remount,bind,ro /usr && exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"`,
		"sh", confined.Path,
	}, confined.Args[1:]...)
	confined.Path, _ = exec.LookPath("unshare") // it is there
	p := h.launch(confined)
	p.await("serving on")
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)); err != nil || !strings.Contains(string(text), "\nCapBnd:\t0000000000000000\n") {
		t.Fatalf("it is not confined: %v", err)
	}
	h.must(append([]string{"start"}, studio...)...)
	h.mic.PlayEndless(codedSeed, 48_000, 1)
	h.untilFrames(48_000)
	h.must("stop")
	m := h.only()
	if frames, _ := h.heard(m, 10*48_000); len(m.Gaps) != 0 || frames < 24_000 {
		t.Errorf("%d frames of the signal: %+v", frames, m)
	}
	p.signal(syscall.SIGTERM)
	if got := p.end(); got.code != 0 {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}
