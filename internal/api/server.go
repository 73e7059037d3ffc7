package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
)

// Log events.
const (
	eventRequest   = "http_request"
	eventRefused   = "http_refused"
	eventListening = "http_listening"
	// eventListenerSlow is a client that was cut off, because it did not read its stream.
	eventListenerSlow = "listener_slow"
)

// Limits of connections and requests.
const (
	idleConnection  = 2 * time.Minute // between two requests
	maxHeaderBytes  = 32 << 10
	maxBodyBytes    = 1 << 20
	maxConnections  = 512
	maxStreams      = 256
	refusedLogEvery = time.Second
)

// Times are how long a client may take. A zero is the default.
type Times struct {
	// Header is for the headers of a request, Body for its body, and Write for each part of an answer: a long stream lives, a reader that is
	// dead does not.
	Header, Body, Write time.Duration
}

// orDefaults completes the times.
func (t Times) orDefaults() Times {
	return Times{Header: cmp.Or(t.Header, 10*time.Second), Body: cmp.Or(t.Body, 30*time.Second), Write: cmp.Or(t.Write, 30*time.Second)}
}

// Options are what a server needs besides its services.
type Options struct {
	Scope    observe.Scope
	Failures *observe.Failures
	Version  string
	Commit   string
	// Gatherer is what /metrics shows; nil for nothing.
	Gatherer prometheus.Gatherer
	// Begin is called when a request begins, and what it returns when it ended; nil for nobody.
	Begin func() (end func())
	Times Times
}

// Server answers requests. Serve may be called for several listeners.
type Server struct {
	options  Options
	times    Times
	services Services
	log      *slog.Logger
	metrics  *metrics
	mux      *routes
	http     *http.Server
	refused  refusals
	flights  flights
	streams  atomic.Int64
	near     atomic.Int64 // clients of the unix socket
	far      atomic.Int64 // clients of the network
	stopping atomic.Bool
	silent   sync.Map      // net.Conn of clients that have said nothing yet
	ending   chan struct{} // closed when streams must end
	end      func()
}

// New returns a server over the services.
func New(o Options, services Services) *Server {
	useOurErrors()
	scope := o.Scope.Component("api")
	s := &Server{options: o, times: o.Times.orDefaults(), services: services, log: scope.Log(), metrics: newMetrics(scope), mux: new(routes), ending: make(chan struct{})}
	s.end = sync.OnceFunc(func() { close(s.ending) })
	s.register()
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), DisableGeneralOptionsHandler: true, ReadHeaderTimeout: s.times.Header, IdleTimeout: idleConnection, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what clients do wrong
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if counted, ok := c.(*connection); ok {
				return context.WithValue(ctx, connectionKey{}, counted)
			}
			return ctx
		},
		ConnState: s.track,
	}
	return s
}

// track keeps the connections on which nothing was said yet. http.Server.Shutdown waits 5 s for each of them.
func (s *Server) track(c net.Conn, state http.ConnState) {
	if state != http.StateNew {
		s.silent.Delete(c)
		return
	}
	s.silent.Store(c, nil)
	if s.stopping.Load() {
		_ = c.Close() // nothing was said
	}
}

// config is huma's, with its defaults changed where they do not fit: see docs/formats/api.md.
func config(version string) huma.Config {
	c := huma.DefaultConfig("Scout", version)
	c.CreateHooks = nil // they add $schema to bodies and a Link header
	c.DocsPath, c.SchemasPath = "", ""
	json := strictJSON()
	c.Formats = map[string]huma.Format{"application/json": json, "json": json}
	c.RejectUnknownQueryParameters = true
	c.Info.Description = "Speech to text on this machine."
	return c
}

// register adds every operation.
func (s *Server) register() {
	api := humago.New(s.mux, config(s.options.Version))
	s.registerSystem(api)
	s.registerRecorder(api)
	s.registerTranscriptions(api)
	s.registerJobs(api)
	s.registerLevel(api)
	s.registerLive(api)
	s.registerEvents(api)
	s.registerTranscripts(api)
	s.registerRecordings(api)
	s.registerRetention(api)
	s.registerDiscard(api)
	s.registerAudio(api)
	s.registerExport(api)
	finish(api.OpenAPI())
}

// Serve answers the clients of a listener until Shutdown, after which it returns nil. The listener is closed. address is where clients
// find it.
func (s *Server) Serve(listener net.Listener, address string) error {
	open := &s.far
	if _, unix := listener.(*net.UnixListener); unix {
		open = &s.near
	}
	s.log.Info(eventListening, slog.String("address", address), slog.Bool("tls", false))
	err := s.http.Serve(&limited{Listener: listener, server: s, open: open})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown refuses new requests, ends streams, and waits for what is under way until ctx ends; then it is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.end()
	s.silent.Range(func(key, _ any) bool {
		if c, ok := key.(net.Conn); ok {
			_ = c.Close() // nothing was said
		}
		return true
	})
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(scout.Errorf(scout.CodeDeadlineExceeded, "requests were cut off: %w", err), s.http.Close())
	}
	return err
}

// Connections is how many clients are connected, Streams how many of them read events.
func (s *Server) Connections() int { return int(s.near.Load() + s.far.Load()) }

// Streams is how many event streams are open.
func (s *Server) Streams() int { return int(s.streams.Load()) }

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// isProbe reports whether a request only looks whether Scout is well: a monitor that asks every minute keeps no daemon
// running. The version is what every command asks first.
func isProbe(r *http.Request) bool {
	switch path.Clean("/" + r.URL.Path) {
	case "/livez", "/readyz", "/healthz", "/metrics", prefix + "/health", prefix + "/version":
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	return false
}

// serve is around every request.
func (s *Server) serve(out http.ResponseWriter, r *http.Request) {
	if s.options.Begin != nil && !isProbe(r) {
		defer s.options.Begin()()
	}
	began := time.Now()
	w := newResponse(out)
	r, body := bounded(out, r, s.times.Body)
	defer body.leave()
	id := r.Header.Get(v1.HeaderRequest)
	if !requestID.MatchString(id) {
		id = "req_" + strings.ToLower(ulid.Make().String())
	}
	h := w.Header()
	h.Set(v1.HeaderRequest, id)
	h.Set(v1.HeaderVersion, s.options.Version)
	h.Set("X-Content-Type-Options", "nosniff")
	ctx := observe.WithTraceparent(r.Context(), r.Header.Get("Traceparent"))
	ctx, span := s.options.Scope.Tracer().Start(ctx, "http_request")
	if span.SpanContext().IsValid() {
		h.Set("X-Trace-Id", span.SpanContext().TraceID().String())
	}
	r = cleaned(r.WithContext(ctx))
	handler, pattern := s.mux.Handler(r)
	route := "other"
	if _, after, found := strings.Cut(pattern, " "); found {
		route = after
	}
	var err error
	if denied := s.admit(r, w); denied != nil {
		body.refused(h, r.ContentLength)
		writeError(w, denied)
	} else {
		err = s.options.Failures.Guard("api", func() error {
			if pattern == "" {
				body.refused(h, r.ContentLength)
				unknown(handler, w, r)
			} else {
				s.once(w, r, s.mux.ServeHTTP)
			}
			return nil
		})
		if err != nil && w.status == 0 {
			writeError(w, scout.Errorf(scout.CodeInternal, "the request failed: a defect of Scout"))
		}
	}
	observe.EndSpan(span, err)
	s.observe(r, w, route, id, time.Since(began))
}

// admit refuses a request before anything looks at it.
func (s *Server) admit(r *http.Request, w http.ResponseWriter) (denied error) {
	reason := ""
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		if err := c.allowed(); err != nil {
			reason, denied = "role", err
		}
	}
	if denied == nil {
		reason, denied = "malformed", wellFormed(r)
	}
	if denied == nil && s.stopping.Load() {
		reason, denied = "unavailable", scout.Errorf(scout.CodeUnavailable, "the daemon is stopping")
	}
	if denied != nil {
		s.refuse(reason, r.RemoteAddr, scout.CodeOf(denied))
	}
	return denied
}

// wellFormed refuses a request whose query or type of body cannot be read. Reading on would take a part of what was asked for the whole.
func wellFormed(r *http.Request) error {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return scout.Errorf(scout.CodeInvalidArgument, "the query of the request cannot be read")
	}
	if media := r.Header.Get("Content-Type"); media != "" {
		if _, _, err := mime.ParseMediaType(media); err != nil {
			return scout.Errorf(scout.CodeMediaType, "the content type %q cannot be read", media)
		}
	}
	return nil
}

// cleaned is the request with a path as the mux knows it: // counts as /, and a / at the end is ignored. A redirect, as the mux would
// answer it, turns a POST into a GET.
func cleaned(r *http.Request) *http.Request {
	escaped := r.URL.EscapedPath()
	clean := path.Clean("/" + escaped)
	plain, err := url.PathUnescape(clean)
	if clean == escaped || err != nil {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = plain, clean
	r2 := *r
	r2.URL = &u
	return &r2
}

// unknown answers a request for which the mux has no operation.
func unknown(mux http.Handler, w http.ResponseWriter, r *http.Request) {
	answer := &refusal{header: make(http.Header)}
	mux.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		allow := answer.header.Get("Allow")
		w.Header().Set("Allow", allow)
		writeError(w, scout.Errorf(scout.CodeMethodNotAllowed, "%s does not take %s, only %s", r.URL.Path, r.Method, allow))
		return
	}
	writeError(w, scout.Errorf(scout.CodeUnknownURL, "there is no %s", r.URL.Path))
}
