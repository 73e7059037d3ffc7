//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/daemon"
)

// gotFrom is what a server answers at an address.
func gotFrom(t *testing.T, address, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// The daemon answers at every address that it is given; programs of this user are clients there, and with a key more.
func TestTheDaemonAnswersHTTP(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	p := h.start("serve", "--addr", "127.0.0.1:0", "--addr", "localhost:0")
	p.await("serving on")
	status := h.status()
	if len(status.HTTP) < 2 {
		t.Fatalf("it listens at %+v", status.HTTP)
	}
	for _, l := range status.HTTP {
		if code, body := gotFrom(t, l.Address, "/readyz"); !l.Listening || code != 200 {
			t.Errorf("%+v: %d %s", l, code, body)
		}
		if code, body := gotFrom(t, l.Address, "/api/v1/settings"); code != http.StatusForbidden || !strings.Contains(body, "permission_denied") {
			t.Errorf("what is the owner's: %d %s", code, body)
		}
	}
	server := "http://" + status.HTTP[0].Address
	var made v1.NewKey
	if err := json.Unmarshal([]byte(h.must("keys", "create", "phone", "--role", "owner", "--json").out), &made); err != nil {
		t.Fatal(err)
	}
	var there v1.Status
	if err := json.Unmarshal([]byte(h.must("status", "--json", "--server", server, "--key", made.Secret).out), &there); err != nil || there.PID != status.PID {
		t.Errorf("another machine's Scout: process %d, %v; want %d", there.PID, err, status.PID)
	}
	if got := h.run("status", "--server", server, "--key", "sk-scout-wrong"); got.code != 1 || !strings.Contains(got.err, "does not know this key") {
		t.Errorf("with a wrong key: exit %d: %s", got.code, got.err)
	}
	if got := h.run("status", "--server", "http://127.0.0.1:1"); got.code != 1 || !strings.Contains(got.err, "no Scout answers at http://127.0.0.1:1") {
		t.Errorf("where nobody is: exit %d: %s", got.code, got.err)
	}
	if got := h.run("status", "--server", ""); got.code != 2 || !strings.Contains(got.err, "it is empty") {
		t.Errorf("a variable that is not set: %+v", got)
	}
	if got := h.run("status", "--server", "192.168.1.5:7268"); got.code != 2 || !strings.Contains(got.err, "hint: give it as http://") {
		t.Errorf("what is no URL: exit %d: %s", got.code, got.err)
	}
	h.env = slices.Concat(h.env, []string{"SCOUT_KEY=" + made.Secret})
	h.must("transcripts", "list", "--server", server)
	if got := h.must("models", "list", "--server", server); !strings.Contains(got.out, "moonshine-tiny-en") {
		t.Errorf("the models there: %+v", got)
	}
	if got := h.run("health", "--json", "--server", server); !strings.Contains(got.out, `"components"`) {
		t.Errorf("health: exit %d: %s%s", got.code, got.out, got.err)
	}
	if list := h.must("keys", "list").out; !strings.Contains(list, made.ID) || strings.Contains(list, made.Secret) {
		t.Errorf("keys: %s", list)
	}
	h.must("keys", "delete", made.ID)
	if got := h.run("transcripts", "list", "--server", server); got.code != 1 {
		t.Errorf("with a key that was deleted: exit %d: %s", got.code, got.err)
	}
	p.signal(syscall.SIGTERM)
	if got := p.end(); got.code != 0 || strings.Contains(got.err, made.Secret) {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// A person who starts the daemon learns that the port is taken. A command that needs the daemon does not fail for it.
func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	other, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }() // the test is over
	address := other.Addr().String()
	h := inHouse(quietBooth(t))
	before := h.env
	h.env = slices.Concat(before, []string{"SCOUT_HTTP__ADDR=" + address})
	if got := h.run("serve"); got.code != 1 || !strings.Contains(got.err, "another program listens at "+address) || !strings.Contains(got.err, "--addr") {
		t.Errorf("serve: exit %d: %s", got.code, got.err)
	}
	if status := h.status(); len(status.HTTP) != 1 || status.HTTP[0].Listening || !strings.Contains(status.HTTP[0].Reason, "another program") {
		t.Errorf("a command: %+v", status.HTTP)
	}
	if got := h.must("status"); !strings.Contains(got.out, "not at "+address) {
		t.Errorf("%s", got.out)
	}
	h.must("serve", "stop")

	// An address that other machines reach needs a key. This one is nobody's, so that nothing is opened.
	h.env = slices.Concat(before, []string{"SCOUT_HTTP__ADDR=192.0.2.1:7268"})
	if got := h.run("serve"); got.code != 1 || !strings.Contains(got.err, "there is no key") || !strings.Contains(got.err, "scout keys create") || !strings.Contains(got.err, "scout serve stop") {
		t.Errorf("without a key: exit %d: %s", got.code, got.err)
	}
	if status := h.status(); len(status.HTTP) != 1 || !strings.Contains(status.HTTP[0].Reason, "scout keys create NAME makes one, then scout serve restart") {
		t.Errorf("a command without a key: %+v", status.HTTP)
	}
	h.must("keys", "create", "notes") // the daemon of that command has not that address
	h.must("serve", "stop")
	if got := h.run("serve"); got.code != 1 || !strings.Contains(got.err, "192.0.2.1:7268 is no address of this machine") {
		t.Errorf("with a key: exit %d: %s", got.code, got.err)
	}
	h.status() // starts a daemon, which is not reached there
	log, err := os.ReadFile(filepath.Join(h.data, daemon.LogName))
	if text := string(log); err != nil || !strings.Contains(text, "is no address of this machine") || strings.Contains(text, "http_without_tls") {
		t.Errorf("the log, %v: %s", err, text)
	}
}

// What a scrape has is what promtool check metrics expects.
func TestMetricsArePrometheusClean(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.env = slices.Concat(h.env, []string{"SCOUT_HTTP__ADDR=127.0.0.1:0"})
	h.must("start", "--device", "tone:440")
	h.untilFrames(8_000)
	h.must("stop")
	address := h.status().HTTP[0].Address
	gotFrom(t, address, "/api/v1/nothing")
	code, scrape := gotFrom(t, address, "/metrics")
	if code != 200 || !strings.Contains(scrape, `scout_http_requests_total{method="GET",process="daemon",route="other",status="404"} 1`) {
		t.Errorf("%d %.2000s", code, scrape)
	}
	problems, err := promlint.New(strings.NewReader(scrape)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if promtool, err := exec.LookPath("promtool"); err == nil { // of the Debian package prometheus
		check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		check.Stdin = strings.NewReader(scrape)
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool: %v, %s", err, out)
		}
	}
}
