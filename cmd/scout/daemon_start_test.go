//go:build linux

package main

import (
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// A command whose daemon cannot start says why, in the words of the daemon, and what to do.
func TestADaemonThatCannotStart(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		spoil func(h *house)
		want  string // facts; see tells
	}{
		"the data folder is a file":       {func(h *house) { h.place(h.data, "") }, "make the data folder … a file, not a folder … hint:"},
		"a part of its path is a file":    {func(h *house) { h.place(h.data, ""); h.env = append(h.env, "SCOUT_DATA="+h.data+"/inside") }, "make the data folder … a file, not a folder … hint:"},
		"the folder of recordings is one": {func(h *house) { h.place(h.dir, "") }, "the daemon ended at its start: start recorder … " + "a file, not a folder … hint: check the path"},
		"a variable is wrong":             {func(h *house) { h.env = append(h.env, "SCOUT_DAEMON__IDLE=soon") }, `$SCOUT_DAEMON__IDLE is "soon" … hint:`},
		"the settings are wrong": {func(h *house) {
			h.place(h.data+".toml", "nonsense = 1\n")
			h.env = append(h.env, "SCOUT_CONFIG="+h.data+".toml")
		}, "there is no setting nonsense … hint:"},
		"a file has the place of the socket":   {func(h *house) { h.place(filepath.Join(h.data, daemon.SocketName), "mine") }, "the daemon ended at its start: start socket … that is no socket … hint: move away"},
		"a folder has the place of the socket": {func(h *house) { h.place(filepath.Join(h.data, daemon.SocketName, "inside"), "mine") }, "the daemon ended at its start: start socket … that is no socket … hint: move away"},
		"the lock is a folder":                 {func(h *house) { h.place(filepath.Join(h.data, daemon.LockName, "inside"), "") }, "lock of the data folder … hint:"},
		"a daemon has not started yet":         {func(h *house) { h.hold(daemon.LockName) }, "the daemon did not answer within … it is still starting … hint: try again"},
		"another program has the socket": {func(h *house) {
			if err := os.MkdirAll(h.data, 0o700); err != nil {
				h.t.Fatal(err)
			}
			listener, err := new(net.ListenConfig).Listen(h.t.Context(), "unix", filepath.Join(h.data, daemon.SocketName))
			if err != nil {
				h.t.Fatal(err)
			}
			h.t.Cleanup(func() { _ = listener.Close() }) // it was only there
		}, "another program listens at … hint: end that program"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			c.spoil(h)
			got := h.run("status")
			if got.code != 1 && got.code != 2 || got.out != "" || !tells(got.err, c.want) {
				t.Errorf("exit %d: %s%swant %s", got.code, got.out, got.err, c.want)
			}
			if strings.Count(got.err, "hint:") != 1 || strings.Contains(got.err, ": scout: ") {
				t.Errorf("a hint is not said once, or the program's name in the middle: %s", got.err)
			}
			if strings.Contains(situation, "the socket") {
				if got := h.run("health"); got.code != 2 || !tells(got.out, "daemon … Unhealthy … "+daemon.SocketName) {
					t.Errorf("health: exit %d: %s%s", got.code, got.out, got.err)
				}
			}
			h.data += "-other" // nothing to clean up
		})
	}
}

// hold locks a file of the data folder until the test ends.
func (h *house) hold(name string) {
	h.t.Helper()
	path := filepath.Join(h.data, name)
	h.place(path, `{"pid":1}`)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	if got, err := filelock.Try(f); !got || err != nil {
		h.t.Fatalf("lock %s: %v", path, err)
	}
	h.t.Cleanup(func() { _ = filelock.Close(f) }) // it was only a lock
}

// A database that another program has locked delays neither the daemon nor a recording. As soon as the lock is gone the same daemon
// goes on, and makes the text that it owes.
func TestADatabaseThatIsLockedAtTheStart(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("status")
	h.must("serve", "stop")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.data, sqlite.FileName)+"?_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	defer db.Close() //nolint:errcheck // of a test
	if _, err := db.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	id := h.dictated()
	said := make(chan outcome, 1)
	go func() { said <- h.run("stop", "--transcribe") }() // ended by the text
	if waits := h.untilText("waiting"); waits.Error == nil || waits.Error.Code != "store_locked" {
		t.Errorf("the text: %+v", waits)
	}
	status := h.status()
	if status.Ready || !tells(strings.Join(status.Reasons, " "), "another program uses the database … goes on as soon as it can") {
		t.Errorf("ready %v: %q", status.Ready, status.Reasons)
	}
	if got := h.run("transcripts", "list"); got.code != 1 || !strings.Contains(got.err, "another program uses the database") {
		t.Errorf("a list: exit %d: %s", got.code, got.err)
	}
	h.only()
	if _, err := db.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-said; got.code != 0 || !strings.Contains(strings.ToLower(got.out), "ask not") || h.versions(id) != 1 {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if after := h.status(); !after.Ready || after.PID != status.PID {
		t.Errorf("process %d was %d, not ready: %q", after.PID, status.PID, after.Reasons)
	}
	h.must("recordings", "title", id, "found again")
}

// place writes a file with the folders above it.
func (h *house) place(path, content string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// A path that is too long for a socket is no reason not to start.
func TestADaemonOfALongPath(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.data = filepath.Join(h.data, strings.Repeat("long", 50))
	h.env = append(h.env, "SCOUT_DATA="+h.data)
	if got := h.status(); got.DataDir != h.data {
		t.Errorf("%+v", got)
	}
}

// Twenty commands at once start one daemon.
func TestTwentyCommandsStartOneDaemon(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	var mu sync.Mutex
	pids := map[int]int{}
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			pid := h.status().PID
			mu.Lock()
			defer mu.Unlock()
			pids[pid]++
		})
	}
	wait.Wait()
	if len(pids) != 1 {
		t.Errorf("daemons answered: %v", pids)
	}
}

// A second SIGTERM changes nothing about a stop in order, and a daemon whose lock names nobody can be stopped.
func TestStopsOfADaemon(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.status()
	holder, _ := h.holder()
	for range 2 {
		if err := syscall.Kill(holder.PID, syscall.SIGTERM); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	h.untilNoDaemon()
	if log, err := os.ReadFile(filepath.Join(h.data, daemon.LogName)); err != nil || !strings.Contains(string(log), "daemon_stopped") || strings.Contains(string(log), "level=ERROR") {
		t.Errorf("the log (%v): %s", err, log)
	}
	h.status()
	if err := os.Truncate(filepath.Join(h.data, daemon.LockName), 0); err != nil { // as on a full disk
		t.Fatal(err)
	}
	h.must("serve", "stop")
	if _, running := h.holder(); running {
		t.Error("it goes on")
	}
}
