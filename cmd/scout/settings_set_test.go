//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/unixsocket"
)

func TestSettingsAreChanged(t *testing.T) {
	t.Parallel()
	home, scout := settingsUser(t, "# mine\n[log]\nformat = \"json\" # for jq\n")
	file := filepath.Join(home, ".config", "scout", "settings.toml")
	dir := filepath.Join(home, ".local", "share", "scout")
	say := func(want int, args ...string) outcome {
		t.Helper()
		got := scout(args...)
		if got.code != want {
			t.Errorf("%v: exit %d, want %d\n%s%s", args, got.code, want, got.out, got.err)
		}
		return got
	}
	// Without a daemon.
	if got := say(cli.ExitOK, "settings", "set", "record.rate", "48000"); got.out != "record.rate = 48000 in "+file+"\n" {
		t.Errorf("%q", got.out)
	}
	say(cli.ExitUsage, "settings", "set", "record.rate", "fast")
	say(cli.ExitUsage, "settings", "set", "record.rat", "48000")
	if got := say(cli.ExitUsage, "settings", "unset", "record"); !strings.Contains(got.err, "there is no setting record") {
		t.Errorf("%q", got.err)
	}
	if _, running, _ := daemon.HolderOf(dir); running {
		t.Error("a daemon was started for it")
	}
	// With one: what it can use at once it uses, and both see the same.
	say(cli.ExitOK, "status")
	defer say(cli.ExitOK, "serve", "stop")
	say(cli.ExitOK, "settings", "set", "record.channels", "2")
	if got := say(cli.ExitOK, "settings", "set", "transcribe.threads", "2"); !strings.Contains(got.err, "scout serve restart") {
		t.Errorf("nothing says that the daemon has to be started again: %q", got.err)
	}
	say(cli.ExitUsage, "settings", "set", "transcribe.threads", "0")
	say(cli.ExitOK, "settings", "unset", "record.rate")
	socket, err := unixsocket.Path(dir, daemon.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	ask := func(method, body string, headers ...string) (int, v1.Settings) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://scout/api/v1/settings", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		response, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // it was read
		var settings v1.Settings
		data, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode == 200 && json.Unmarshal(data, &settings) != nil {
			t.Fatalf("%s, %v", data, err)
		}
		return response.StatusCode, settings
	}
	_, s := ask("GET", "")
	if s.Values["record"]["channels"] != 2.0 || s.Origin["record.channels"] != "file" || s.Origin["record.rate"] != "default" || strings.Join(s.RestartRequired, " ") != "transcribe.threads" {
		t.Errorf("%+v", s)
	}
	for body, want := range map[string]int{
		`{"record":{"channels":1,"rate":"x"}}`: 422, `{"data":{"dir":"/elsewhere"}}`: 409, `{"nothing":{}}`: 422, `{"record":7}`: 422, `[]`: 422, `{"record":{"nothing":1}}`: 422,
	} {
		if status, _ := ask("PATCH", body); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
	if status, _ := ask("PATCH", `{"record":{"channels":4}}`, "If-Match", `"0"`); status != http.StatusPreconditionFailed {
		t.Errorf("If-Match of another state: %d", status)
	}
	if status, s := ask("PATCH", `{"record":null,"transcribe":{"threads":null}}`); status != 200 || s.Origin["record.channels"] != "default" || len(s.RestartRequired) != 0 {
		t.Errorf("%d %+v", status, s)
	}
	const want = "# mine\n[log]\nformat = \"json\" # for jq\n\n[record]\n\n[transcribe]\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("the file is %q, %v; want %q", got, err, want)
	}
}
