package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/api"
)

// A request keeps a daemon running, and one that only looks whether it is well does not.
func TestProbesKeepNothingRunning(t *testing.T) {
	t.Parallel()
	for request, probe := range map[string]bool{
		"GET /livez": true, "GET /readyz": true, "GET /healthz": true, "HEAD /healthz": true, "GET //healthz/": true, "GET /metrics": true,
		"GET /api/v1/health": true, "GET /api/v1/version": true,
		"POST /api/v1/health/check": false, "GET /api/v1/status": false, "GET /api/v1/transcripts": false, "POST /api/v1/recorder/stop": false,
		"GET /api/v1/healthz": false, "POST /healthz": false,
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(request, " ")
			if got := api.IsProbe(httptest.NewRequest(method, path, http.NoBody)); got != probe {
				t.Errorf("%s is a probe: %v, want %v", request, got, probe)
			}
		})
	}
}
