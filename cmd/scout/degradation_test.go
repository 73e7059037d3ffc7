//go:build linux

package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/daemon"
)

// send sends a request to the daemon; its answer must be closed. headers are names, each with its value behind it.
func (h *house) send(ctx context.Context, method, path, body string, headers ...string) *http.Response {
	h.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, daemon.SocketName))
	}}}
	request, err := http.NewRequestWithContext(ctx, method, "http://scout"+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	response, err := client.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	return response
}

// A daemon that may use less memory than it needs only records. Every place tells the same, and the recording misses nothing.
func TestScoutReducesItsWork(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.env = slices.Concat(h.env, []string{"SCOUT_LIMITS__MEMORY_MB=10"})
	id := strings.TrimSpace(h.must("start", "--device", "tone:440").out)
	h.untilFrames(8_000)
	status := h.status()
	for began := time.Now(); status.Degradation.Level != 4; status = h.asked() {
		if time.Since(began) > patience {
			t.Fatalf("%+v", status.Degradation)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if d := status.Degradation; d.Name != "record only" || !strings.HasPrefix(d.Reason, "memory: ") || d.Since == nil {
		t.Errorf("status %+v", d)
	}
	if got := h.must("status"); !strings.Contains(got.out, "level 4, record only: memory: ") {
		t.Errorf("status:\n%s", got.out)
	}
	if c, _ := h.component("resources"); c.Status != "Degraded" || !strings.Contains(c.Reason, "level 4 (record only): "+status.Degradation.Reason[:7]) {
		t.Errorf("health %+v", c)
	}
	metrics := h.fetch("/metrics")
	for _, want := range []string{
		`scout_degradation_level{process="daemon"} 4`, `scout_degradation_steps_total{process="daemon",to="record only"} 1`, `scout_health_status{component="resources",process="daemon"} 1`,
		`scout_process_memory_bytes{process="recorder"} `, `scout_process_memory_bytes{process="engine"} 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if log, err := os.ReadFile(status.LogFile); err != nil || !strings.Contains(string(log), "degradation_changed") {
		t.Errorf("the log says nothing of it: %v", err)
	}
	if queue := h.fetch("/api/v1/queue"); !strings.Contains(queue, `"degradation":4`) {
		t.Errorf("queue %s", queue)
	}
	h.untilEvent("degradation.changed")

	h.must("stop")
	if m := h.only(); string(m.ID) != id || len(m.Gaps) > 0 || m.Resumed > 0 {
		t.Errorf("%+v", m)
	}

	other := h.recorded(1)
	const tus, form = "application/offset+octet-stream", "multipart/form-data; boundary=b"
	for what, request := range map[string]struct{ path, media, body string }{
		"a job":                    {"/api/v1/jobs", "application/json", `{"kind":"transcribe","recording_id":"` + other + `"}`},
		"a job with a file":        {"/api/v1/jobs", form, "--b\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\nRIFF\r\n--b--\r\n"},
		"an upload without a text": {"/api/v1/uploads", tus, "RIFF"},
	} {
		response := h.send(t.Context(), http.MethodPost, request.path, request.body, "Content-Type", request.media, "Tus-Resumable", "1.0.0", "Upload-Length", "4", "Upload-Metadata", "transcribe ZmFsc2U=")
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		if response.StatusCode != 503 || response.Header.Get("Retry-After") != "30" || response.Header.Get("X-Scout-Code") != "unavailable" {
			t.Errorf("%s: %s, %v", what, response.Status, response.Header)
		}
	}
	if got := h.run("jobs", "add", other); got.code != 1 || !strings.Contains(got.err, "only records") {
		t.Errorf("jobs add: exit %d: %s", got.code, got.err)
	}
}

// untilEvent waits for an event of the daemon, which may have been long ago.
func (h *house) untilEvent(kind string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	response := h.send(ctx, http.MethodGet, "/api/v1/events?after=0", "")
	defer func() { _ = response.Body.Close() }() // it never ends
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if lines.Text() == "event: "+kind {
			return
		}
	}
	h.t.Errorf("there is no event %s", kind)
}
