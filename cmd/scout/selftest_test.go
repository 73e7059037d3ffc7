//go:build linux

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/daemon"
)

// A daemon proves by itself that it can transcribe, loads no model for longer than that takes, and reduces nothing under its normal work.
// One id leads from a request to the engine, and back.
func TestAFreshDaemonProvesThatItWorks(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.env = slices.Concat(h.env, []string{"SCOUT_HEALTH__START_SELFTEST=on", "SCOUT_LOG_LEVEL=debug"})
	h.status()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) { // a command asks once
		engine, _ := h.component("engine")
		if engine.Status == "Healthy" && engine.Metadata["state"] == "unloaded" {
			break
		}
		if engine.Status != "Unknown" && engine.Status != "Healthy" || time.Since(began) > patience {
			t.Fatalf("%+v", engine)
		}
	}
	if metrics := h.fetch("/metrics"); !strings.Contains(metrics, `scout_selftest_seconds_count{process="daemon"} 1`) {
		t.Error("the metrics do not have one self-test")
	}

	const trace = "0af7651916cd43dd8448eb211c80319c"
	recording := h.recorded(1)
	response := h.send(t.Context(), http.MethodPost, "/api/v1/jobs", `{"kind":"transcribe","recording_id":"`+recording+`"}`,
		"Content-Type", "application/json", "Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if response.StatusCode != http.StatusAccepted || response.Header.Get("X-Trace-Id") != trace {
		t.Errorf("%s, %v", response.Status, response.Header)
	}
	h.must("jobs", "wait", filepath.Base(response.Header.Get("Location")))
	log, err := os.ReadFile(filepath.Join(h.data, daemon.LogName))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "msg=engine_request ") && strings.Contains(line, "trace_id="+trace) {
			asked++
		}
	}
	if asked == 0 {
		t.Error("no request to the engine has the id of the client's")
	}
	metrics := h.fetch("/metrics")
	for _, want := range []string{
		`scout_degradation_level{process="daemon"} 0`, `scout_degradation_steps_total{process="daemon",to="medium"} 0`, `scout_process_memory_bytes{process="engine"} `,
		`scout_process_cpu_seconds_total{process="engine"} `,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
