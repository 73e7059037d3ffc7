package client_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/testrun"
)

// answering serves a handler at a socket, which it returns.
func answering(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler} //nolint:gosec // a test needs no deadline
	ended := make(chan struct{})
	go func() { // ended by Close
		_ = server.Serve(listener)
		close(ended)
	}()
	t.Cleanup(func() {
		_ = server.Close() // the test is over
		<-ended
	})
	return socket
}

func TestADaemonOfAnotherVersionIsNoticedOnce(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]int{"1.0": 0, "2.0": 1} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			socket := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set(v1.HeaderVersion, version)
				_, _ = fmt.Fprint(w, `{"api":1}`)
			})
			told := 0
			c, err := client.Connect(t.Context(), client.Options{Socket: socket, Version: "1.0", Differs: func(other string) {
				if told++; other != version {
					t.Errorf("told of version %q", other)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Get(t.Context(), "/status", &struct{}{}); err != nil || told != want {
				t.Errorf("told %d times, %v; want %d", told, err, want)
			}
		})
	}
}

func TestWhatADaemonSaysIsTheError(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		status int
		body   string
		code   scout.Code
		text   string
		hint   string
	}{
		"an error of Scout":               {409, `{"error":{"message":"it runs; stop it","code":"already_recording","hint":"stop it"}}`, scout.CodeAlreadyRecording, "it runs", "stop it"},
		"an error of the future":          {400, `{"error":{"message":"x","code":"of_the_future"}}`, scout.CodeInternal, "x", ""},
		"an error of another program":     {502, `<html>Bad Gateway</html>`, scout.CodeDaemonUnreachable, "another program", ""},
		"a success of another program":    {200, `<html>Welcome</html>`, scout.CodeDaemonUnreachable, "another program", ""},
		"an answer of another version":    {200, `{"api":[1]}`, scout.CodeDaemonUnreachable, "another version of Scout", "use this version: scout serve restart"},
		"an interface of another version": {200, `{"api":2}`, scout.CodeDaemonUnreachable, "version 2 of the interface", ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			socket := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			})
			_, err := client.Connect(t.Context(), client.Options{Socket: socket})
			if scout.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) || c.hint != "" && scout.HintOf(err) != c.hint {
				t.Errorf("%v (%s, %q)", err, scout.CodeOf(err), scout.HintOf(err))
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	testrun.LeaveSocket(t, filepath.Join(dir, "left"))
	for name, text := range map[string]string{"none": "no daemon answers", "left": "no daemon answers", "file": ""} {
		_, err := client.Connect(t.Context(), client.Options{Socket: filepath.Join(dir, name)})
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that does not become a daemon is told of with what it wrote, and nothing waits longer than it lives.
func TestAProgramThatIsNoDaemon(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		program string
		args    []string
		text    string
	}{
		"it is not there":  {"/no/such/program", nil, "/no/such/program is not there"},
		"it ends and says": {"sh", []string{"-c", "echo first; echo broken >&2; exit 3"}, "first; broken"},
		"it ends silently": {"sh", []string{"-c", "exit 3"}, "exit status 3"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			program := c.program
			if path, err := exec.LookPath(program); err == nil {
				program = path
			}
			_, err := client.Connect(t.Context(), client.Options{Socket: filepath.Join(dir, "s"), Launch: &client.Launch{
				Program: program, Args: c.args, Env: os.Environ(), Dir: dir, Output: filepath.Join(dir, "output"), Log: filepath.Join(dir, "log"),
			}})
			if scout.CodeOf(err) != scout.CodeDaemonStart || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v (%s)", err, scout.CodeOf(err))
			}
		})
	}
}

// A slow start that goes on is waited for: the error comes only when nothing is logged any more.
func TestAStartThatGoesOnIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	_, err := client.Connect(t.Context(), client.Options{Socket: filepath.Join(dir, "s"), Launch: &client.Launch{
		Program: "/bin/sh", Args: []string{"-c", `for i in 1 2 3 4 5 6 7 8; do echo "line $i" >> "$0"; sleep 0.7; done; exec sleep 7`, log},
		Dir: dir, Output: filepath.Join(dir, "output"), Log: log,
	}})
	if scout.CodeOf(err) != scout.CodeDaemonStart || !strings.Contains(err.Error(), "line 8") {
		t.Errorf("%v (%s), want the last line of the log", err, scout.CodeOf(err))
	}
}

func TestTheCallersTimeIsOver(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	socket := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ended by the request, which comes
		<-reached
		cancel()
	}()
	if _, err := client.Connect(ctx, client.Options{Socket: socket}); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("%v (%s)", err, scout.CodeOf(err))
	}
}

// What must not be made twice is sent again with the same key after the daemon ended in the middle; what has no key is not sent again.
func TestAPostIsSentAgainOnlyWithItsKey(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		send         func(*client.Client, context.Context) error
		aborts, sent int
		code         scout.Code
	}{
		"with a key, and the next daemon is killed, too": {func(c *client.Client, ctx context.Context) error {
			return c.PostOnce(ctx, "/transcripts", struct{}{}, nil)
		}, 2, 3, ""},
		"with a key": {func(c *client.Client, ctx context.Context) error {
			return c.PostOnce(ctx, "/transcripts", struct{}{}, nil)
		}, 1, 2, ""},
		"without a key": {func(c *client.Client, ctx context.Context) error {
			return c.Post(ctx, "/recorder/start", struct{}{}, nil)
		}, 1, 1, scout.CodeDaemonUnreachable},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			keys := make(chan string, 4)
			socket := answering(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					_, _ = fmt.Fprint(w, `{"api":1}`)
					return
				}
				keys <- r.Header.Get(v1.HeaderIdempotency)
				if len(keys) <= c.aborts {
					panic(http.ErrAbortHandler) // as if it was killed
				}
				_, _ = fmt.Fprint(w, `{}`)
			})
			dir := t.TempDir()
			daemon, err := client.Connect(t.Context(), client.Options{Socket: socket, Launch: &client.Launch{
				Program: "/no/such/program", Dir: dir, Output: filepath.Join(dir, "output"), Log: filepath.Join(dir, "log"),
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer daemon.Close()
			if err := c.send(daemon, t.Context()); scout.CodeOf(err) != c.code {
				t.Errorf("%v (%s), want %q", err, scout.CodeOf(err), c.code)
			}
			var sent []string
			for range len(keys) {
				sent = append(sent, <-keys)
			}
			if len(sent) != c.sent || c.sent > 1 && (sent[0] == "" || slices.ContainsFunc(sent, func(key string) bool { return key != sent[0] })) {
				t.Errorf("it was sent with the keys %q, want %d times", sent, c.sent)
			}
		})
	}
}
