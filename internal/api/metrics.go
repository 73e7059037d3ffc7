package api

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// metrics are those of requests. route is the pattern of the operation, never the path.
type metrics struct {
	requests    *metric.CounterVec
	seconds     *metric.HistogramVec
	bytesIn     *metric.CounterVec
	bytesOut    *metric.CounterVec
	refused     *metric.CounterVec
	connections *metric.GaugeVec
	slow        *metric.CounterVec
	replays     *metric.Counter
	dropped     *metric.CounterVec
	outlines    *metric.Counter
	ended       *metric.CounterVec
	sockets     *metric.CounterVec

	refusedTopics *metric.CounterVec
}

// requestBuckets go from a request that only looks to one that waits for a microphone.
var requestBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60}

func newMetrics(scope observe.Scope) *metrics {
	return &metrics{
		requests: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_http_requests_total", Help: "Requests that were answered, by route, method and status. 499: the client went before it had all of the answer.",
		}, []string{"route", "method", "status"})),
		seconds: observe.Register(scope, metric.NewHistogramVec(metric.HistogramOpts{
			Name: "scout_http_request_seconds", Help: "Time from the headers of a request to the end of its answer; streams are left out.", Buckets: requestBuckets,
		}, []string{"route"})),
		bytesIn: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_http_request_bytes_total", Help: "Bytes of request bodies that were read.",
		}, []string{"route"})),
		bytesOut: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_http_response_bytes_total", Help: "Bytes of response bodies.",
		}, []string{"route"})),
		refused: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_http_refused_total", Help: "Requests and connections that were refused before an operation saw them, by reason.",
		}, []string{"reason"})),
		connections: observe.Register(scope, metric.NewGaugeVec(metric.Opts{
			Name: "scout_connections", Help: "Open connections and streams, by kind.",
		}, []string{"kind"})),
		dropped: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_stream_events_dropped_total", Help: "Events without a number that a client missed because it read too slowly, by kind.",
		}, []string{"kind"})),
		replays: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_idempotent_replays_total", Help: "Requests that were sent again with their Idempotency-Key and got the answer of the first one.",
		})),
		outlines: observe.Register(scope, metric.NewCounter(metric.Opts{
			Name: "scout_outlines_computed_total", Help: "Outlines of recordings (peaks) that were computed because none was kept.",
		})),
		ended: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_streams_ended_total", Help: "Event streams that ended, by kind, and why: complete, client (it went), slow, stopping (the daemon), failed (the events could not be read).",
		}, []string{"kind", "reason"})),
		sockets: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_live_connections_ended_total", Help: "Connections that send sound that ended, by the status of their close; left: the client went without one.",
		}, []string{"status"})),
		refusedTopics: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_stream_topics_refused_total", Help: "Topics of an event stream that could not be followed while the rest of the stream came, by code.",
		}, []string{"code"})),
		slow: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_streams_cut_off_total", Help: "Event streams that were ended because the client did not read them, by kind.",
		}, []string{"kind"})),
	}
}

// methodOf bounds the label: a client may send any word.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// answered is a request that was answered.
type answered struct {
	route, id, client string
	took              time.Duration
	bytesIn           int64 // of the body, as they came: a client may announce any number
}

// observe counts and logs a request that was answered.
//
//	client  ends with the connection of the client
func (s *Server) observe(client context.Context, r *http.Request, w *response, a answered) {
	status := w.status
	if r.Context().Err() != nil && status == 0 || !s.stopping.Load() && w.left(client, r.Method) {
		status = v1.StatusClientClosed
	}
	m := s.metrics
	m.requests.WithLabelValues(a.route, methodOf(r), strconv.Itoa(status)).Inc()
	if w.Header().Get("Content-Type") != eventStream && status != http.StatusSwitchingProtocols {
		m.seconds.WithLabelValues(a.route).Observe(a.took.Seconds())
	}
	m.bytesIn.WithLabelValues(a.route).Add(float64(a.bytesIn))
	m.bytesOut.WithLabelValues(a.route).Add(float64(w.bytes))
	switch status {
	case http.StatusRequestEntityTooLarge:
		m.refused.WithLabelValues("size").Inc()
	case http.StatusRequestTimeout:
		m.refused.WithLabelValues("stalled").Inc()
	}
	if code := w.code(); code != "" {
		_ = s.options.Failures.Count(scout.Errorf(code, "answered")) // it returns its argument
	}
	attributes := []any{
		slog.String("request", a.id), slog.String("route", a.route), slog.String("method", methodOf(r)), slog.Int("status", status),
		slog.Int64(observe.KeyDurationMS, a.took.Milliseconds()), slog.Int64("bytes_in", a.bytesIn), slog.Int64("bytes_out", w.bytes),
		slog.String(observe.KeyCode, string(w.code())),
	}
	if a.client != "" {
		attributes = append(attributes, slog.String("client", a.client))
	}
	if status >= http.StatusInternalServerError {
		s.log.Warn(eventRequest, attributes...)
		return
	}
	s.log.Debug(eventRequest, attributes...)
}

// refusals remember when a refusal was logged last, for each reason: whoever is refused a thousand times a second fills no log.
type refusals struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// tell reports whether a refusal is to be logged.
func (f *refusals) tell(reason string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		f.last = make(map[string]time.Time)
	}
	now := time.Now()
	if now.Sub(f.last[reason]) < refusedLogEvery {
		return false
	}
	f.last[reason] = now
	return true
}

// refuse counts a refusal, and logs it once a second for each reason.
func (s *Server) refuse(reason, remote string, code scout.Code) {
	s.metrics.refused.WithLabelValues(reason).Inc()
	if s.refused.tell(reason) {
		s.log.Warn(eventRefused, slog.String(observe.KeyReason, reason), slog.String("remote", remote), slog.String(observe.KeyCode, string(code)))
	}
}
