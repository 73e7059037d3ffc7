package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/recording/remote"
)

// Wrong arguments or a wrong folder give one line, the last of the output: the starter of the process shows that line.
func TestWrongArgumentsGiveOneLine(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/a\nfile" // the line break must not come through
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		text string
	}{
		"started by hand":  {nil, exitUsage, "started by scout"},
		"unknown flag":     {[]string{"--models-dir", "x"}, exitUsage, "models-dir"},
		"unknown argument": {[]string{"--recordings-dir", "x", "now"}, exitUsage, `"now"`},
		"no length":        {[]string{"--recordings-dir", "x", "--idle-for", "soon"}, exitUsage, "soon"},
		"unknown level":    {[]string{"--recordings-dir", "x", "--log-level", "loud"}, exitUsage, "loud"},
		"unknown format":   {[]string{"--recordings-dir", "x", "--log-format", "xml"}, exitUsage, "xml"},
		"folder is a file": {[]string{"--recordings-dir", file}, exitFailed, "file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			code := run(t.Context(), c.args, &out, nil)
			if code != c.code || !strings.HasPrefix(out.String(), "scout-recorder: ") || !strings.Contains(out.String(), c.text) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("exit %d, %q: want %d and one line with %q", code, out.String(), c.code, c.text)
			}
		})
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &out, nil); code != exitOK || !strings.Contains(out.String(), "-recordings-dir") {
		t.Errorf("exit %d, %q", code, out.String())
	}
}

// The process answers on the socket of its folder, also of one named from where it was started, and its end by a
// signal is in order.
func TestRunServesItsFolder(t *testing.T) { // not parallel: it changes the working folder
	t.Chdir(t.TempDir())
	dir, err := filepath.Abs("recordings")
	if err != nil {
		t.Fatal(err)
	}
	ctx, signalled := context.WithCancel(t.Context())
	defer signalled()
	var out bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"--recordings-dir", "recordings", "--log-format", "json"}, &out, nil)
	}() // ended by ctx
	var client *remote.Client
	for client == nil { // nothing announces a socket; the test ends at its own deadline if it never comes
		client, _ = remote.Dial(t.Context(), dir, remote.Options{Name: "test"})
		select {
		case code := <-ended:
			t.Fatalf("exit %d: %s", code, out.String())
		default:
		}
	}
	if client.Version() == "" || client.PID() != os.Getpid() || client.Parent() != 0 {
		t.Errorf("version %q, process %d, parent %d", client.Version(), client.PID(), client.Parent())
	}
	metrics, err := client.Metrics(t.Context())
	if err != nil || len(metrics) == 0 {
		t.Errorf("%d metrics, %v", len(metrics), err)
	}
	if here, err := os.Getwd(); err != nil || here != string(filepath.Separator) {
		t.Errorf("it stays in %s, %v", here, err)
	}
	signalled()
	if code := <-ended; code != exitOK || !strings.Contains(out.String(), `"msg":"recorder_ended"`) {
		t.Errorf("exit %d: %s", code, out.String())
	}
	if err := client.Close(); err != nil {
		t.Logf("the connection had ended: %v", err)
	}
}
