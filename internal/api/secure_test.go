package api_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/certificate"
)

// tlsSide is what a server and its clients need for TLS.
type tlsSide struct {
	server, client *tls.Config
	ca             string // a file
	alsoPlain      bool
}

// overTLS has a server answer clients of the network over TLS alone.
func overTLS(s *served) {
	networked(s)
	dir := filepath.Join(s.t.TempDir(), "tls")
	keeper, err := certificate.Open(certificate.Options{Own: true, Dir: dir, Wanted: certificate.NamesOf("localhost", "127.0.0.1")})
	if err != nil {
		s.t.Fatal(err)
	}
	_, ca := keeper.Shown()
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	s.tls = &tlsSide{server: keeper.Config(), client: &tls.Config{RootCAs: roots, ServerName: "localhost"}, ca: certificate.CAFile(dir)} //nolint:gosec // the default version
}

// overTLSToo has it take plain HTTP at the same port.
func overTLSToo(s *served) {
	overTLS(s)
	s.tls.alsoPlain = true
}

// transport is that of a client which trusts the CA.
func (s *served) transport(h2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.tls.client.RootCAs}, Protocols: protocols} //nolint:gosec // the default version
	s.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// overAnswer is an answer over TLS.
type overAnswer struct {
	answer
	Proto   string
	cookies []*http.Cookie
}

// over sends a request over TLS.
func (s *served) over(h2 bool, method, path, body string, headers ...string) (overAnswer, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := s.transport(h2).RoundTrip(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return overAnswer{answer{response.StatusCode, response.Header}, response.Proto, response.Cookies()}, string(data)
}

// HTTP/1.1 and HTTP/2 over TLS, and plain HTTP at the same port, answer the same.
func TestTLSAndPlainHTTPAtOnePort(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLSToo)
	recorded := c.record(exampleID)
	for _, h2 := range []bool{false, true} {
		version := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2]
		if got, body := c.over(h2, "GET", "/livez", ""); got.StatusCode != http.StatusOK || got.Proto != version {
			t.Errorf("%s: %s %d %s", version, got.Proto, got.StatusCode, body)
		}
		if got, body := c.over(h2, "POST", "/api/v1/recorder/start", `{"nothing":1}`, slices.Concat(bearer(c.key), []string{"Content-Type", "application/json"})...); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "nothing") {
			t.Errorf("%s, a body: %d %s", version, got.StatusCode, body)
		}
		if got, body := c.over(h2, "POST", "/api/v1/recorder/start", strings.Repeat(" ", 2<<20), bearer(c.key)...); got.StatusCode != http.StatusRequestEntityTooLarge || got.Header.Get(v1.HeaderCode) != string(scout.CodeRequestTooLarge) {
			t.Errorf("%s, a body that is too large: %d %s", version, got.StatusCode, body)
		}
		path := "/api/v1/recordings/" + string(recorded.ID) + "/audio"
		if got, body := c.over(h2, "GET", path, "", append(bearer(c.key), "Range", "bytes=0-3")...); got.StatusCode != http.StatusPartialContent || body != "RIFF" {
			t.Errorf("%s, a range: %d %q", version, got.StatusCode, body)
		}
		if got, body := c.over(h2, "GET", "/api/v1/live", "", bearer(c.key)...); got.StatusCode != http.StatusNotFound && got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s, a WebSocket that is none: %d %s", version, got.StatusCode, body)
		}
	}
	if got, body := c.ask("GET", "/livez", ""); got.StatusCode != http.StatusOK {
		t.Errorf("plain: %d %s", got.StatusCode, body)
	}
	// What is no request is answered in the form of all errors, over TLS, too.
	conn, err := tls.Dial("tcp", c.address, &tls.Config{RootCAs: c.tls.client.RootCAs}) //nolint:gosec // the default version
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the test is over
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, body := reads(t, bufio.NewReader(conn), "GET"); got.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"invalid_argument"`) {
		t.Errorf("no request: %d %s", got.StatusCode, body)
	}
}

// A cookie that was given over TLS is sent over nothing else, and a link leads where its asker came from.
func TestSessionsOverTLS(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLSToo)
	for _, h2 := range []bool{false, true} {
		got, _ := c.over(h2, "POST", "/api/v1/session", "", bearer(c.key)...)
		cookies := got.cookies
		if got.StatusCode != http.StatusNoContent || len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode {
			t.Fatalf("%d %+v", got.StatusCode, cookies)
		}
		cookie := []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value}
		if got, body := c.over(h2, "GET", "/api/v1/status", "", append(cookie, "Origin", "https://"+c.address)...); got.StatusCode != http.StatusOK {
			t.Errorf("with the cookie: %d %s", got.StatusCode, body)
		}
		if got, _ := c.over(h2, "GET", "/api/v1/status", "", append(cookie, "Origin", "https://evil.test")...); got.StatusCode != http.StatusForbidden {
			t.Errorf("of another page: %d", got.StatusCode)
		}
		if got, _ := c.over(h2, "DELETE", "/api/v1/session", "", cookie...); !got.cookies[0].Secure {
			t.Errorf("removing it: %+v", got.cookies)
		}
	}
	got, _ := c.ask("POST", "/api/v1/session", "", bearer(c.key)...)
	if strings.Contains(got.Header.Get("Set-Cookie"), "Secure") {
		t.Errorf("over plain HTTP: %s", got.Header.Get("Set-Cookie"))
	}
}

// Events are streamed over both versions, and end when the server does.
func TestEventStreamsOverTLS(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLS)
	for _, h2 := range []bool{false, true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+c.address+"/api/v1/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+c.key)
		response, err := c.transport(h2).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() }) // the test is over
		lines := bufio.NewScanner(response.Body)
		if !lines.Scan() || lines.Text() != ": ok" {
			t.Fatalf("the stream begins with %q", lines.Text())
		}
		c.history.Note(t.Context(), "settings.changed", "", map[string]any{"names": []string{"x"}})
		for lines.Scan() && !strings.Contains(lines.Text(), "settings.changed") {
		}
		if err := lines.Err(); err != nil {
			t.Errorf("HTTP/2 %v: %v", h2, err)
		}
	}
}

// A client of HTTP/2 that does not read loses its stream. Another stream of the same connection, which says nothing for longer than a write may take,
// goes on.
func TestAClientOfHTTP2ThatDoesNotRead(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLS, func(s *served) { s.times.Write = 200 * time.Millisecond })
	transport := c.transport(true)
	transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
	ask := func(path string) io.ReadCloser {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+c.address+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+c.key)
		response, err := transport.RoundTrip(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response, err)
		}
		return response.Body
	}
	quiet := ask("/api/v1/events")
	defer quiet.Close()                               //nolint:errcheck // the test is over
	unread := ask("/openapi.json")                    // it has more bytes than the client takes
	defer unread.Close()                              //nolint:errcheck // the test is over
	for c.counted("scout_http_requests_total") == 0 { // else the test does not end
		time.Sleep(5 * time.Millisecond) // nothing announces it
	}
	if data, err := io.ReadAll(unread); err == nil {
		t.Errorf("%d bytes, and no error", len(data))
	}
	c.history.Note(t.Context(), "settings.changed", "", map[string]any{"names": []string{"x"}})
	lines := bufio.NewScanner(quiet)
	for lines.Scan() && lines.Text() != "event: settings.changed" {
	}
	if lines.Text() != "event: settings.changed" {
		t.Errorf("the stream that said nothing for a while: %v", lines.Err())
	}
}

// A port that other machines reach takes no plain HTTP, and says so.
func TestAPortForTLSOnly(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLS)
	got, body := c.ask("GET", "/livez", "")
	if got.StatusCode != http.StatusBadRequest || !strings.Contains(body, "this port speaks TLS only: the address begins with https://") || !strings.Contains(body, `"code":"invalid_argument"`) {
		t.Errorf("%d %s", got.StatusCode, body)
	}
	if got, body := c.ask("POST", "/api/v1/jobs", strings.Repeat("x", 1<<20)); got.StatusCode != http.StatusBadRequest {
		t.Errorf("with a body: %d %s", got.StatusCode, body)
	}
	if err := testutil.GatherAndCompare(c.registry, strings.NewReader("# HELP scout_http_refused_total Requests and connections that were refused before an operation saw them, by reason.\n"+
		"# TYPE scout_http_refused_total counter\nscout_http_refused_total{reason=\"plain\"} 2\n"), "scout_http_refused_total"); err != nil {
		t.Error(err)
	}
	if got, _ := c.over(false, "GET", "/livez", ""); got.StatusCode != http.StatusOK {
		t.Errorf("TLS: %d", got.StatusCode)
	}
}

// Who says nothing, or shakes hands without an end, is cut off when the time for headers is over, and keeps nobody waiting.
func TestConnectionsThatSayNothing(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLSToo, func(s *served) { s.times.Header = 200 * time.Millisecond })
	var silent []net.Conn
	for i := range 60 {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() }) // the test is over
		if i%3 > 0 {
			_, err = conn.Write([]byte{0x16, 3, 1}[:i%3]) // the beginning of a handshake
		}
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	if got, _ := c.over(true, "GET", "/livez", ""); got.StatusCode != http.StatusOK {
		t.Errorf("meanwhile: %d", got.StatusCode)
	}
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // it is a socket
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a silent connection was kept")
		}
	}
}

// Those who have said nothing do not keep the server from stopping.
func TestStoppingWithSilentConnections(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLSToo)
	for range 5 {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() }) // the test is over
	}
	if got, _ := c.over(true, "GET", "/livez", ""); got.StatusCode != http.StatusOK {
		t.Fatal(got.StatusCode)
	}
	c.close() // it fails where Shutdown does
}

// A WebSocket works over TLS: it asks for HTTP/1.1.
func TestAWebSocketOverTLS(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLS, listening())
	conn, _, err := websocket.Dial(t.Context(), "wss://"+c.address+"/api/v1/live", &websocket.DialOptions{ //nolint:bodyclose // it is that of a WebSocket
		Subprotocols: []string{v1.LiveProtocol, v1.KeyProtocol + c.key}, HTTPClient: &http.Client{Transport: c.transport(false)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }() // the test is over
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"start","format":{"sample_rate":16000,"channels":1,"sample_format":"s16"}}`)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(data), `"ready"`) {
		t.Errorf("%s, %v", data, err)
	}
}

// Clients of others: curl with both versions, and Node with NODE_EXTRA_CA_CERTS, for HTTP and for events.
func TestOtherClientsOverTLS(t *testing.T) {
	t.Parallel()
	c := serve(t, overTLS)
	for name, arguments := range map[string][]string{
		"curl": {"--silent", "--show-error", "--fail", "--cacert", c.tls.ca, "https://" + c.address + "/livez"},
		"node": {"-e", `fetch(process.argv[1]).then(r => r.text()).then(t => console.log(t)).catch(e => { console.error(e.cause ?? e); process.exit(1) })`, "https://" + c.address + "/livez"},
	} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Logf("%s is not here", name)
			continue
		}
		command := exec.CommandContext(t.Context(), program, arguments...) //nolint:gosec // of this test
		command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+c.tls.ca, "NODE_OPTIONS=")
		if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), `"status":"ok"`) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if name == "node" {
			command := exec.CommandContext(t.Context(), program, arguments...) //nolint:gosec // of this test
			command.Env = []string{"PATH=" + os.Getenv("PATH")}
			if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "UNABLE_TO_VERIFY_LEAF_SIGNATURE") {
				t.Errorf("node without the CA: %v: %s", err, out)
			}
		}
	}
}
