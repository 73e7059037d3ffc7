package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/health"
)

// metricsPath is where the metrics are.
const metricsPath = "/metrics"

// none is the input of an operation that takes nothing.
type none struct{}

// body is an output with a JSON body.
type body[T any] struct{ Body T }

// input is an input with a JSON body.
type input[T any] struct{ Body T }

// optional is an input with a JSON body that may be left out.
type optional[T any] struct{ Body *T }

func answer[T any](v T) *body[T] { return &body[T]{v} }

// registerSystem adds what tells how the daemon is.
func (s *Server) registerSystem(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/version", role: roleClient, summary: "The version of the daemon and of the interface",
		description: "The version and the commit of the program, the version of this interface, and for the owner the folder of recordings: what a client asks first. The interface only grows; a change that would break clients becomes /api/v2.",
	}, func(ctx context.Context, _ *none) (*body[v1.VersionInfo], error) {
		info := v1.VersionInfo{Version: s.options.Version, Commit: s.options.Commit, API: v1.Version}
		if callerOf(ctx).role == roleOwner {
			info.RecordingsDir = s.services.Recorder.Folder().Dir()
		}
		return answer(info), nil
	})
	operation(api, about{
		method: http.MethodGet, path: "/status", summary: "What the daemon does",
		description: "The process and its folders, the recorder, and how many clients are connected. A daemon that a command started also says after which idle time it ends.",
	}, func(ctx context.Context, _ *none) (*body[v1.Status], error) {
		status := s.services.Status(ctx)
		status.Recorder, status.Transcriptions = s.recorder(ctx), s.allOwed()
		status.Connections, status.Streams, status.Disk = s.Connections(), s.Streams(), status.Recorder.Disk
		status.Limits.BodyBytes, status.Limits.HeaderBytes, status.Limits.Connections = maxBodyBytes, maxHeaderBytes, maxConnections
		status.Limits.Streams, status.Limits.StreamsPerClient = s.options.Network.streams()
		return answer(status), nil
	})
	operation(api, about{
		method: http.MethodGet, path: "/health", role: roleClient, summary: "How each part of Scout is",
		description: "The status of each part and of the whole. Results are kept for one second. A check opens no device and loads no model.",
		also:        []int{http.StatusServiceUnavailable},
	}, func(ctx context.Context, _ *none) (*healthOutput, error) {
		return s.healthAnswer(s.services.Health(ctx, false)), nil
	})
	operation(api, about{
		method: http.MethodPost, path: "/health/check", summary: "Run every check now",
		description: "The same answer as GET /health, from checks that are run now.",
		also:        []int{http.StatusServiceUnavailable},
	}, func(ctx context.Context, _ *none) (*healthOutput, error) {
		return s.healthAnswer(s.services.Health(ctx, true)), nil
	})
	s.registerSettings(api)
	operation(api, about{
		method: http.MethodGet, path: "/devices", summary: "The devices that can be recorded from",
		description: "Lists the devices of the sound system and opens none of them.",
		errors:      []scout.Code{scout.CodeSoundServer, scout.CodeNoDevice, scout.CodeDevicePermission},
	}, func(ctx context.Context, _ *none) (*body[v1.Devices], error) {
		backend, devices, err := s.services.Devices(ctx)
		if err != nil {
			return nil, err
		}
		list := v1.Devices{Backend: backend, Data: make([]v1.Device, len(devices))}
		for i := range devices {
			d := &devices[i]
			list.Data[i] = v1.Device{ID: d.ID, Name: d.Name, Default: d.Default, Monitor: d.Monitor, Formats: make([]v1.DeviceFormat, len(d.Formats))}
			for j, f := range d.Formats {
				list.Data[i].Formats[j] = v1.DeviceFormat{SampleRate: f.SampleRateHz, Channels: f.Channels, SampleFormat: f.Sample}
			}
		}
		return answer(list), nil
	})
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/backup", summary: "Download a backup of the database",
			description: "A consistent copy of the database, an SQLite file that scout restore takes. It holds no audio.",
			errors:      []scout.Code{scout.CodeStoreCorrupt, scout.CodeDiskFull},
		},
		answers: []string{"application/vnd.sqlite3"}, handler: s.backup,
	})
	s.registerProbes(api)
}

// registerProbes adds what supervisors ask, outside of this version.
func (s *Server) registerProbes(api huma.API) {
	probe := func(a about, media string, handler http.HandlerFunc) {
		if a.method = http.MethodGet; a.role == "" {
			a.role = roleNone
		}
		s.add(api, stream{about: a, answers: []string{media}, root: true, handler: handler})
	}
	const asJSON = "application/json"
	unavailable := []int{http.StatusServiceUnavailable}
	probe(about{path: "/livez", summary: "Whether the process answers", description: "200 while the process answers."}, asJSON, func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	probe(about{path: "/readyz", summary: "Whether work is accepted", description: "200 while the daemon can work; else 503 with reasons.", also: unavailable}, asJSON, func(w http.ResponseWriter, r *http.Request) {
		if reasons := s.services.NotReady(r.Context()); len(reasons) > 0 {
			out := map[string]any{"status": "not ready"}
			if callerOf(r.Context()).role != roleNone {
				out["reasons"] = reasons
			}
			writeJSON(w, http.StatusServiceUnavailable, out)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"status": "ok"})
	})
	probe(about{path: "/healthz", summary: "How each part of Scout is", description: "The answer of GET /api/v1/health; for whoever has no key and is not on this machine, status alone.", also: unavailable}, asJSON, func(w http.ResponseWriter, r *http.Request) {
		out := s.healthAnswer(s.services.Health(r.Context(), false))
		if callerOf(r.Context()).role == roleNone { // the parts, and why they are as they are, are for those who use Scout
			writeJSON(w, out.Status, map[string]any{"status": out.Body.Status})
			return
		}
		writeJSON(w, out.Status, out.Body)
	})
	if s.options.Gatherer != nil {
		metrics := promhttp.HandlerFor(s.options.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true})
		probe(about{path: metricsPath, role: roleClient, summary: "The metrics", description: "In the text format of Prometheus, or as OpenMetrics if the header Accept asks for it."}, "text/plain", metrics.ServeHTTP)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	data, err := json.Marshal(v)
	if err == nil {
		_, _ = w.Write(data) // the client may be gone
	}
}

// healthOutput is a Health with the status that tells it to a balancer.
type healthOutput struct {
	Status int
	Body   v1.Health
}

func (s *Server) healthAnswer(r health.Report) *healthOutput {
	out := &healthOutput{Status: http.StatusOK, Body: HealthOf(r, s.services.Degradation())}
	if r.Status == health.Unhealthy || r.Status == health.Unknown {
		out.Status = http.StatusServiceUnavailable
	}
	return out
}

// HealthOf is a report as it travels, with the degradation of the daemon.
func HealthOf(r health.Report, degradation v1.Degradation) v1.Health {
	h := v1.Health{Status: string(r.Status), Reasons: append([]string{}, r.Reasons...), UptimeSeconds: seconds(r.Uptime), Version: r.Version, Degradation: degradation, Components: make([]v1.Component, len(r.Components))}
	for i, c := range r.Components {
		h.Components[i] = v1.Component{
			Name: c.Name, Status: string(c.Status), Reason: strings.TrimSpace(c.Reason), Critical: c.Critical, LastCheck: v1.TimeOf(c.LastCheck), Since: v1.TimeOf(c.Since), Metadata: c.Metadata,
		}
	}
	return h
}

// backup makes a copy in a folder of its own, which is gone when it was read.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	dir, err := os.MkdirTemp("", "scout-backup-")
	if err != nil {
		writeError(w, scout.FileError(scout.CodeWriteFailed, "make a folder for the copy", err))
		return
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was read, or nobody wants it any more
	path := filepath.Join(dir, "scout.db")
	if err := s.services.Backup(r.Context(), path); err != nil {
		writeError(w, err)
		return
	}
	file, err := os.Open(path)
	if err != nil {
		writeError(w, scout.FileError(scout.CodeReadFailed, "read the copy", err))
		return
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		writeError(w, scout.FileError(scout.CodeReadFailed, "read the copy", err))
		return
	}
	w.Header().Set("Content-Type", "application/vnd.sqlite3")
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	_, _ = io.Copy(w, whileAllowed{r.Context(), file}) // the client sees by the length that something is missing
}
