package api

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
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
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/page"
	"github.com/scout-speech/scout/internal/store"
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
	refusedLogEvery = time.Second
	// maxStreams bounds the requests at the same time of one connection of HTTP/2. Source: RFC 9113, 5.1.2: not fewer than 100.
	maxStreams = 100
	idlePing   = 30 * time.Second // a connection of HTTP/2 that says nothing is asked whether it is still there
)

// Times are how long a client may take. A zero is the default.
type Times struct {
	// Header is for the headers of a request, Body for its body, and Write for each part of an answer: a long stream lives, a reader that is
	// dead does not.
	Header, Body, Write time.Duration
	// Ping is the time between two pings of a WebSocket, Pong how long the answer may take.
	Ping, Pong time.Duration
}

// orDefaults completes the times.
func (t Times) orDefaults() Times {
	return Times{
		Header: cmp.Or(t.Header, 10*time.Second), Body: cmp.Or(t.Body, 30*time.Second), Write: cmp.Or(t.Write, 30*time.Second),
		Ping: cmp.Or(t.Ping, 20*time.Second), Pong: cmp.Or(t.Pong, time.Minute),
	}
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
	// Network is for the clients that come over TCP.
	Network Network
	// Page is what Vite made of the page; nil for what is part of the program.
	Page fs.FS
	// SessionsFile keeps the sessions of browsers; empty for none, where they end with the server.
	SessionsFile string
}

// Server answers requests. Serve may be called for several listeners.
type Server struct {
	options  Options
	times    Times
	services Services
	log      *slog.Logger
	metrics  *metrics
	mux      *routes
	site     *page.Site
	shown    map[string]bool   // patterns that are the page's
	access   map[string]access // by pattern
	allows   map[string]string // the methods of paths without a variable
	keys     *keyring
	rates    rates
	sessions sessions
	secrets  secrets
	underway underway
	sockets  sync.WaitGroup // WebSockets, which http.Server.Shutdown does not wait for
	http     *http.Server
	refused  refusals
	flights  flights
	outlines outlines
	near     clients // of the unix socket
	far      clients // of the network
	scrapers clients // of the addresses of the metrics
	stopping atomic.Bool
	silent   sync.Map      // net.Conn of clients that have said nothing yet
	ending   chan struct{} // closed when streams must end
	end      func()
}

// New returns a server over the services.
func New(o Options, services Services) *Server {
	useOurErrors()
	if o.Page == nil {
		o.Page = page.Built()
	}
	scope := o.Scope.Component("api")
	s := &Server{options: o, times: o.Times.orDefaults(), services: services, log: scope.Log(), metrics: newMetrics(scope), ending: make(chan struct{})}
	s.mux = &routes{visible: func(pattern string, r *http.Request) error { return s.visible(r.Context(), s.accessOf(pattern), r) }}
	s.site = page.New(o.Page, o.Network.BasePath)
	if o.SessionsFile != "" {
		s.sessions.keepIn(o.SessionsFile, s.log)
	}
	s.keys = &keyring{read: func(ctx context.Context) ([]store.AccessKey, error) { return s.store().AccessKeys(ctx) }}
	s.end = sync.OnceFunc(func() { close(s.ending) })
	s.near.lingering.gauge = s.metrics.connections.WithLabelValues("lingering")
	s.far.lingering.gauge, s.scrapers.lingering.gauge = s.near.lingering.gauge, s.near.lingering.gauge
	s.register()
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), DisableGeneralOptionsHandler: true, ReadHeaderTimeout: s.times.Header, IdleTimeout: idleConnection, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what clients do wrong
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if counted := under(c); counted != nil {
				return context.WithValue(ctx, connectionKey{}, counted)
			}
			return ctx
		},
		ConnState: s.track,
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: idlePing, PingTimeout: s.times.Write},
	}
	return s
}

// track keeps the connections on which nothing was said yet. http.Server.Shutdown waits 5 s for each of them. It also notes where an answer
// was sent to its end.
func (s *Server) track(c net.Conn, state http.ConnState) {
	if counted, is := c.(*connection); is && state == http.StateIdle {
		counted.leftUnread(false) // net/http has read what was left of the body
		counted.answers.Store(false)
	}
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
func (s *Server) config() huma.Config {
	c := huma.DefaultConfig("Scout", s.options.Version)
	c.CreateHooks = nil // they add $schema to bodies and a Link header
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = documentPath, "", ""
	json := strictJSON()
	c.Formats = map[string]huma.Format{"application/json": json, "json": json}
	c.RejectUnknownQueryParameters = true
	c.Info.Description = "Speech to text on this machine."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		schemeKey:     {Type: "http", Scheme: "bearer", Description: "A key of scout keys create"},
		schemeSession: {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "The cookie of POST /api/v1/session"},
	}
	if base := s.options.Network.BasePath; base != "" {
		c.Servers = []*huma.Server{{URL: base}}
	}
	return c
}

// register adds every operation.
func (s *Server) register() {
	api := humago.New(s.mux, s.config())
	s.registerSystem(api)
	s.registerRecorder(api)
	s.registerTranscriptions(api)
	s.registerJobs(api)
	s.registerUploads(api)
	s.registerWebhooks(api)
	s.registerModels(api)
	s.registerOpenAI(api)
	s.registerLevel(api)
	s.registerLive(api)
	s.registerLiveSocket(api)
	s.registerRealtime(api)
	s.registerEvents(api)
	s.registerTranscripts(api)
	s.registerRecordings(api)
	s.registerRetention(api)
	s.registerStorage(api)
	s.registerDiscard(api)
	s.registerAudio(api)
	s.registerExport(api)
	s.registerImport(api)
	s.registerKeys(api)
	s.registerSessions(api)
	s.registerDocs(api)
	s.registerPage()
	finish(api.OpenAPI())
	s.access, s.allows = accesses(api.OpenAPI()), allowances(api.OpenAPI())
}

// Serve answers the clients of a listener until Shutdown, after which it returns nil. The listener is closed. address is where clients
// find it.
func (s *Server) Serve(listener net.Listener, address string) error {
	_, unix := listener.(*net.UnixListener)
	return s.serveOn(&limited{Listener: listener, server: s, open: &s.clientsOf(unix).connections}, address, false)
}

// ServeTLS is Serve for a listener of TCP that speaks TLS.
func (s *Server) ServeTLS(listener net.Listener, address string, how TLS) error {
	secure := newSecured(&limited{Listener: listener, server: s, open: &s.far.connections}, how)
	defer secure.working.Wait() // Shutdown has closed what had not begun to speak
	return s.serveOn(secure, address, true)
}

func (s *Server) serveOn(listener net.Listener, address string, secure bool) error {
	s.log.Info(eventListening, slog.String("address", address), slog.Bool("tls", secure))
	err := s.http.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ServeMetrics is Serve for an address at which there is nothing but the metrics, without the base path. Who asks needs Network.MetricsKey.
func (s *Server) ServeMetrics(listener net.Listener, address string) error {
	s.log.Info(eventListening, slog.String("address", address), slog.Bool("tls", false))
	err := s.http.Serve(&limited{Listener: listener, server: s, open: &s.scrapers.connections, scrape: true})
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
	s.near.lingering.end(lingerAtTheEnd)
	s.far.lingering.end(lingerAtTheEnd)
	s.scrapers.lingering.end(lingerAtTheEnd)
	err := s.http.Shutdown(ctx)
	if err == nil {
		err = s.left(ctx)
	}
	if err != nil {
		err = errors.Join(scout.Errorf(scout.CodeDeadlineExceeded, "requests were cut off: %w", err), s.http.Close())
	}
	return err
}

// left waits until the WebSockets have ended, which see that the server does.
func (s *Server) left(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { // ends with the last of them
		defer close(ended)
		s.sockets.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// clients are those of the unix socket, or those of the network. Each have limits of their own: who comes over the network keeps no command
// of the owner out.
type clients struct {
	connections atomic.Int64
	streams     longAnswers
	lingering   lingering
}

func (s *Server) clientsOf(near bool) *clients {
	if near {
		return &s.near
	}
	return &s.far
}

// Connections is how many clients are connected.
func (s *Server) Connections() int {
	return int(s.near.connections.Load() + s.far.connections.Load() + s.scrapers.connections.Load())
}

// Streams is how many event streams are open, and how much audio is followed.
func (s *Server) Streams() int { return s.near.streams.count() + s.far.streams.count() }

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
	began, client := time.Now(), r.Context()
	c := connectionOf(r)
	c.answers.Store(true)
	if r.TLS == nil {
		r.TLS = c.tls
	}
	w := s.newResponse(out, r, c)
	defer w.last()
	r, body := bounded(out, r, s.times.Body)
	defer body.leave(c)
	length := r.ContentLength
	w.fails = func() { body.refused(w.Header(), length) }
	id := r.Header.Get(v1.HeaderRequest)
	if !requestID.MatchString(id) {
		id = newRequestID()
	}
	h := w.Header()
	h.Set(v1.HeaderRequest, id)
	h.Set(v1.HeaderVersion, s.options.Version)
	h.Set("X-Content-Type-Options", "nosniff")
	ctx := observe.WithTraceparent(r.Context(), r.Header.Get("Traceparent"))
	ctx, span := s.options.Scope.Tracer().Start(ctx, "http_request")
	if of := trace.SpanContextFromContext(ctx); of.IsValid() { //nolint:contextcheck // it is that of the request, and of the client where no traces are sent
		h.Set("X-Trace-Id", of.TraceID().String())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, handler, pattern := s.route(h, r.WithContext(ctx), c) //nolint:contextcheck // it is that of the request
	w.openai = strings.HasPrefix(r.URL.Path+"/", openaiPrefix+"/")
	a := s.accessOf(pattern)
	refused, who := s.meet(w, r, c), caller{role: roleNone}
	asks := refused == nil && !c.near && isPreflight(r)
	if refused == nil && !asks {
		mine := &admitted{end: cancel}
		defer s.underway.leave(mine)
		who, refused = s.admit(r, c, a, mine)
	}
	var err error
	switch {
	case refused != nil:
		s.refuse(refused.reason, r.RemoteAddr, scout.CodeOf(refused))
		writeError(w, refused)
	case asks:
		preflight(w, r)
	case pattern == "":
		unknown(handler, w, r)
	case r.ContentLength > maxBodyBytes && !a.streamed && !isForm(r): // before a client sends all of it
		writeError(w, scout.Errorf(scout.CodeRequestTooLarge, "the body has %d bytes, and may have %d", r.ContentLength, maxBodyBytes))
	default:
		who.secure = r.TLS != nil
		err = s.carryOut(w, r.WithContext(withCaller(r.Context(), who.at(w.base))), a) //nolint:contextcheck // as above
	}
	observe.EndSpan(span, err)
	s.observe(client, r, w, answered{route: routeOf(pattern), id: id, client: who.label(), took: time.Since(began), bytesIn: body.read.Load()})
}

// carryOut runs the operation.
func (s *Server) carryOut(w *response, r *http.Request, a access) error {
	if s.options.Begin != nil && !isProbe(r) {
		defer s.options.Begin()()
	}
	if until := callerOf(r.Context()).until; !until.IsZero() {
		ctx, cancel := context.WithDeadline(r.Context(), until)
		defer cancel()
		r = r.WithContext(ctx)
	}
	if err := a.whole(r); err != nil {
		writeError(w, err)
		return nil
	}
	if s.refuseNull(w, r, a) {
		return nil
	}
	err := s.options.Failures.Guard("api", func() error {
		s.once(w, r, a, s.mux.ServeHTTP)
		return nil
	})
	if err != nil && w.status == 0 {
		writeError(w, scout.Errorf(scout.CodeInternal, "the request failed: a defect of Scout"))
	}
	return err
}

// route finds what serves a request, by the path behind the one that clients of the network begin with. pattern is empty where nothing
// does.
//
//	h  the headers of the answer
func (s *Server) route(h http.Header, r *http.Request, c *connection) (cleanedRequest *http.Request, handler http.Handler, pattern string) {
	base := s.options.Network.BasePath
	if c.near || c.scrape {
		base = ""
	}
	r, found := cleaned(r, base)
	if !found || c.scrape && r.URL.Path != metricsPath {
		return r, http.NotFoundHandler(), ""
	}
	r = s.asTus(h, r)
	handler, pattern = s.mux.Handler(r)
	if allow, itself := s.allows[r.URL.Path]; itself && routeOf(pattern) != r.URL.Path { // its name is no id
		return r, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusMethodNotAllowed)
		}), ""
	}
	return r, handler, pattern
}

// routeOf is the label of a pattern.
func routeOf(pattern string) string {
	if _, route, found := strings.Cut(pattern, " "); found {
		return strings.NewReplacer("...}", "}", "{$}", "").Replace(route)
	}
	return "other"
}

// wellFormed refuses a request whose query, or type or coding of body, cannot be read. Reading on would take a part of what was asked for the whole.
func wellFormed(r *http.Request) error {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return scout.Errorf(scout.CodeInvalidArgument, "the query of the request cannot be read")
	}
	if media := r.Header.Get("Content-Type"); media != "" {
		if _, _, err := mime.ParseMediaType(media); err != nil {
			return scout.Errorf(scout.CodeMediaType, "the content type %q cannot be read", media)
		}
	}
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") && r.ContentLength != 0 {
		return scout.Errorf(scout.CodeMediaType, "the body has the Content-Encoding %.40q", coding).WithHint("send it as it is")
	}
	return nil
}

// cleaned is the request with a path as the mux knows it: // counts as /, a / at the end is ignored, and base is left out. A redirect, as
// the mux would answer it, turns a POST into a GET. found is false where the path does not begin with base.
func cleaned(r *http.Request, base string) (again *http.Request, found bool) {
	escaped := r.URL.EscapedPath()
	clean := path.Clean("/" + escaped)
	if base != "" {
		rest, is := strings.CutPrefix(clean, base)
		if !is || rest != "" && rest[0] != '/' {
			return r, false
		}
		clean = path.Clean("/" + rest)
	}
	plain, err := url.PathUnescape(clean)
	if clean == escaped || err != nil {
		return r, true
	}
	u := *r.URL
	u.Path, u.RawPath = plain, clean
	r2 := *r
	r2.URL = &u
	return &r2, true
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
