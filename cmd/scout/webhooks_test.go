//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/testrun"
	"github.com/scout-speech/scout/internal/webhook"
)

// recordedNow makes a recording that has ended a moment ago, and returns its id.
func (h *house) recordedNow() string {
	h.t.Helper()
	w, err := h.folder().Create(recording.Settings{Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now()})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 3200)); err != nil {
		h.t.Fatal(err)
	}
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
		h.t.Fatal(err)
	}
	return string(w.ID())
}

// What a webhook is owed survives the end of the daemon: the receiver is down, the daemon is killed, and the next one delivers the same message.
func TestAKilledDaemonOwesItsWebhooksWhatHappened(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	address := testrun.ReservePort(t)
	var made v1.NewWebhook
	if err := json.Unmarshal([]byte(h.must("webhooks", "add", "http://"+address+"/?token=sesame", "--event", "recording.finished", "--json").out), &made); err != nil {
		t.Fatal(err)
	}
	if got := h.must("webhooks", "list").out; !strings.Contains(got, made.ID) || !strings.Contains(got, "enabled") || strings.Contains(got, made.Secret) {
		t.Errorf("list:\n%s", got)
	}
	if got := h.run("webhooks", "test", made.ID); got.code != 1 || !strings.Contains(got.err, "did not take the message") {
		t.Errorf("test: %d %s%s", got.code, got.out, got.err)
	}
	id := h.recordedNow()
	h.must("recordings", "title", id, "Monday") // the daemon sees it
	deliveries := func() (list []v1.Delivery) {
		t.Helper()
		var body struct {
			Deliveries []v1.Delivery `json:"deliveries"`
		}
		if err := json.Unmarshal([]byte(h.must("webhooks", "deliveries", made.ID, "--json").out), &body); err != nil {
			t.Fatal(err)
		}
		return body.Deliveries
	}
	before := deliveries()
	if len(before) != 1 || before[0].Event != "recording.finished" || before[0].RecordingID != id || before[0].State != "waiting" {
		t.Fatalf("%+v", before)
	}
	if err := syscall.Kill(h.status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	type got struct {
		header http.Header
		body   string
	}
	messages := make(chan got, 100)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		messages <- got{r.Header, string(body)}
	})}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // ended by Close
	defer func() {
		_ = server.Close() // nothing is under way
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	h.must("webhooks", "list") // it starts a daemon
	message := <-messages
	if message.header.Get("webhook-id") != before[0].MessageID || !strings.Contains(message.body, `"recording.finished"`) || !strings.Contains(message.body, id) {
		t.Errorf("%+v, want message %s", message, before[0].MessageID)
	}
	secret, err := webhook.ParseSecret(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := time.ParseDuration(message.header.Get("webhook-timestamp") + "s")
	if err != nil {
		t.Fatal(err)
	}
	if want := webhook.Sign(secret, before[0].MessageID, time.Unix(0, 0).Add(seconds), []byte(message.body)); message.header.Get("webhook-signature") != want {
		t.Errorf("signature %s, want %s", message.header.Get("webhook-signature"), want)
	}
	for after := deliveries(); after[0].State != "delivered"; after = deliveries() {
		if len(after) != 1 {
			t.Fatalf("%+v", after)
		}
	}
	if got := h.must("webhooks", "redeliver", made.ID, "1").out; got != "delivery 1 is waiting\n" {
		t.Errorf("redeliver: %q", got)
	}
	if again := <-messages; again.header.Get("webhook-id") != before[0].MessageID || again.body != message.body {
		t.Errorf("sent again: %+v", again)
	}
	for after := deliveries(); after[0].State != "delivered"; after = deliveries() {
	}
	if got := h.must("webhooks", "test", made.ID).out; !strings.Contains(got, "answered 200") {
		t.Errorf("test: %q", got)
	}
	<-messages
	if got := h.must("webhooks", "disable", made.ID).out; !strings.Contains(got, "disabled") {
		t.Errorf("disable:\n%s", got)
	}
	h.must("webhooks", "enable", made.ID)
	if component, _ := h.component("webhooks"); component.Status != "Healthy" {
		t.Errorf("health: %+v", component)
	}
	metrics := h.fetch("/metrics")
	for _, want := range []string{`scout_webhook_deliveries_total{outcome="delivered",process="daemon"} 2`, `scout_webhook_delivery_seconds_count{process="daemon"} 2`, `scout_webhook_deliveries_waiting{process="daemon"} 0`, `scout_webhook_hosts_resting{process="daemon"} 0`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	h.must("webhooks", "delete", made.ID)
	if report, err := sqlite.CheckFile(t.Context(), filepath.Join(h.data, sqlite.FileName)); err != nil || len(report.Problems) > 0 {
		t.Errorf("the database: %v, %v", report.Problems, err)
	}
}
