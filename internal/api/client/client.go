// Package client is the command line's side of the daemon. It speaks /api/v1 over the unix socket in the data folder,
// and starts the daemon if none answers.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// prefix is that of every path.
const prefix = "/api/v1"

// Limits of a connection to the daemon.
const (
	// dialWithin bounds the time for a connection. A local socket accepts it at once, even for a process that is
	// suspended.
	dialWithin = time.Second
	// dialServerWithin is the same for another machine.
	dialServerWithin = 5 * time.Second
	// answerWithin is how long a daemon may take to report its version.
	answerWithin = 2 * time.Second
	// serverAnswersWithin is the same for another machine.
	serverAnswersWithin = 10 * time.Second
	// longestAsked is the longest pause that a daemon may ask for.
	longestAsked = time.Minute
	// maxErrorBytes is how much of an error is read.
	maxErrorBytes = 1 << 20
)

// Options say which daemon to use, and how to start it.
type Options struct {
	// Socket is the path of its socket.
	Socket string
	// Server is the URL of a daemon on another machine, in place of Socket, and Key the key for it.
	Server, Key string
	// CA is a file with authorities in PEM whom Server may be certified by, besides those of the system; empty for none.
	CA string
	// Name of the program that asks, for the daemon's log.
	Name string
	// Version of this program. If the daemon has another version, Differs is called once with it.
	Version string
	Differs func(daemon string)
	// Launch says how to start a daemon if none answers; nil to start none.
	Launch *Launch
}

// Client is a connection to a daemon. It is safe for concurrent use. The caller closes it.
type Client struct {
	options Options
	where   string // for messages
	base    string // what precedes every path
	http    *http.Client
	told    atomic.Bool
	records atomic.Pointer[string] // the daemon's folder of recordings; nil before it answered
}

// Connect returns a client of the daemon that answers at the socket. If none answers, it starts one, or without Launch
// fails with scout.CodeDaemonUnreachable.
func Connect(ctx context.Context, o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	err = c.greet(ctx)
	if Absent(err) && o.Launch != nil {
		if err = o.Launch.start(ctx, c); err == nil {
			err = c.greet(ctx)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func newClient(o Options) (*Client, error) {
	c := &Client{options: o, where: o.Socket, base: "http://scout" + prefix}
	dialer := &net.Dialer{Timeout: dialWithin}
	// One connection is enough for a command, and none outlives it.
	transport := &http.Transport{MaxIdleConns: 2, IdleConnTimeout: time.Minute, DisableCompression: true}
	if o.Server == "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", o.Socket)
		}
	} else {
		at, err := url.Parse(o.Server)
		if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "%q is no address of a server", o.Server).WithHint("give it as http://192.168.1.5:7268")
		}
		c.where = at.Scheme + "://" + at.Host + strings.TrimSuffix(at.EscapedPath(), "/")
		c.base = c.where + prefix
		dialer.Timeout = dialServerWithin
		transport.DialContext, transport.TLSHandshakeTimeout, transport.Proxy = dialer.DialContext, dialServerWithin, http.ProxyFromEnvironment
		if transport.TLSClientConfig, err = trusting(o.CA); err != nil {
			return nil, err
		}
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// greet checks that a daemon answers, and notices another version.
func (c *Client) greet(outer context.Context) error {
	within := answerWithin
	if c.options.Server != "" {
		within = serverAnswersWithin
	}
	ctx, cancel := context.WithTimeout(outer, within)
	defer cancel()
	var info v1.VersionInfo
	err := c.Do(ctx, http.MethodGet, "/version", nil, &info)
	var ended *lostError
	if errors.As(err, &ended) { // it was killed at this moment
		return &absentError{err}
	}
	if err != nil && outer.Err() != nil {
		return context.Cause(outer)
	}
	if err != nil && ctx.Err() != nil && c.options.Server != "" {
		return c.silent(ctx.Err())
	}
	if err != nil && ctx.Err() != nil && !Absent(err) {
		return scout.Errorf(scout.CodeDaemonUnreachable, "the daemon at %s does not answer", c.options.Socket).
			WithHint("if it is suspended, resume it; else restart it: scout serve restart")
	}
	if err == nil && info.API != v1.Version {
		return scout.Errorf(scout.CodeDaemonUnreachable, "the daemon speaks version %d of the interface, this program version %d", info.API, v1.Version)
	}
	if err == nil {
		c.records.Store(&info.RecordingsDir)
	}
	return err
}

// RecordingsDir returns the folder that the daemon records into; empty if it is of a version that does not say so.
func (c *Client) RecordingsDir() string {
	if dir := c.records.Load(); dir != nil {
		return *dir
	}
	return ""
}

// absentError reports that no daemon is there.
type absentError struct{ err error }

func (e *absentError) Error() string { return e.err.Error() }
func (e *absentError) Unwrap() error { return e.err }

// Absent reports whether nobody answers at the socket, or only a daemon that is about to end, so that another one may
// be started.
func Absent(err error) bool {
	var e *absentError
	return errors.As(err, &e)
}

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get reads the resource at the path, below /api/v1, into out. If the daemon ends meanwhile, it asks the next one.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.again(ctx, request{method: http.MethodGet, path: path}, out)
}

// mostAgain is how often a request is sent again: several daemons in a row may be killed, but a request that kills them must end.
const mostAgain = 3

// again sends a request that may be sent more than once. If the daemon ends meanwhile, it asks the next one.
func (c *Client) again(ctx context.Context, r request, out any) error {
	err := c.exchange(ctx, r, out)
	var ended *lostError
	for n := 0; n < mostAgain && (Absent(err) || errors.As(err, &ended)) && c.options.Launch != nil && ctx.Err() == nil; n++ {
		if err = c.options.Launch.start(ctx, c); err == nil {
			err = c.exchange(ctx, r, out)
		}
	}
	return err
}

// Post sends a body, which may be nil, and reads the answer into out, which may be nil.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.Do(ctx, http.MethodPost, path, in, out)
}

// PostOnce is Post for something that must not be made twice. If the daemon ends meanwhile, the next one gets the same request with the
// same key: if the first one carried it out, it gives the same answer.
func (c *Client) PostOnce(ctx context.Context, path string, in, out any) error {
	return c.again(ctx, request{method: http.MethodPost, path: path, key: strings.ToLower(ulid.Make().String()), body: in}, out)
}

// Do sends a request and reads the answer. An error of the daemon has its code, text and hint.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	return c.exchange(ctx, request{method: method, path: path, body: in}, out)
}

// Change sends a change of a resource whose ETag the client has. If somebody else has changed it meanwhile, the error
// has scout.CodePreconditionFailed.
func (c *Client) Change(ctx context.Context, path, etag string, in, out any) error {
	return c.exchange(ctx, request{method: http.MethodPatch, path: path, etag: etag, body: in}, out)
}

// Health reads the state of each part of Scout. An unhealthy state is not an error.
func (c *Client) Health(ctx context.Context) (*v1.Health, error) {
	var h v1.Health
	return &h, c.exchange(ctx, request{method: http.MethodGet, path: "/health", alsoUnhealthy: true}, &h)
}

// Copy writes the resource at the path to w and returns its size in bytes.
func (c *Client) Copy(ctx context.Context, path string, w io.Writer) (int64, error) {
	response, err := c.send(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // what was wanted of it was read
	n, err := io.Copy(w, response.Body)
	if err == nil && response.ContentLength >= 0 && n != response.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = lost(err)
	}
	return n, err
}

// GetTagged is like Get and also returns the ETag.
func (c *Client) GetTagged(ctx context.Context, path string, out any) (etag string, err error) {
	response, err := c.send(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // what was wanted of it was read
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return "", lost(err)
	}
	return response.Header.Get("ETag"), nil
}

// request is a request to the daemon.
type request struct {
	method, path  string
	etag          string
	key           string // by which the daemon recognises it when it is sent again; empty for none
	body          any    // nil for none
	alsoUnhealthy bool   // 503 is an answer as well
}

func (c *Client) exchange(ctx context.Context, r request, out any) error {
	response, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // what was wanted of it was read
	if out == nil || response.StatusCode == http.StatusNoContent {
		return nil
	}
	if raw, wanted := out.(*[]byte); wanted {
		*raw, err = io.ReadAll(response.Body)
	} else {
		err = json.NewDecoder(response.Body).Decode(out)
	}
	var syntax *json.SyntaxError
	var form *json.UnmarshalTypeError
	switch {
	case errors.As(err, &form):
		return scout.Errorf(scout.CodeDaemonUnreachable, "the daemon answered %s %s in the way of another version of Scout", r.method, r.path).WithHint("use this version: scout serve restart")
	case errors.As(err, &syntax):
		return c.strange(response.Status, r)
	case err != nil:
		return lost(err)
	}
	return nil
}

// strange returns the error for an answer that no daemon of Scout gives.
func (c *Client) strange(status string, r request) error {
	err := scout.Errorf(scout.CodeDaemonUnreachable, "%s %s was answered with %s, and not in Scout's way: another program may listen at %s", r.method, r.path, status, c.where)
	if c.options.Server != "" {
		err = err.WithHint("give the address that scout status names on that machine")
	}
	return err
}

// send returns the answer to a request that succeeded. The caller closes its body.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if r.etag != "" {
		request.Header.Set("If-Match", r.etag)
	}
	if r.key != "" {
		request.Header.Set(v1.HeaderIdempotency, r.key)
	}
	return c.deliver(ctx, request, r)
}

// deliver sends a request as whoever this client is, and returns the answer if it succeeded. The caller closes its body.
func (c *Client) deliver(ctx context.Context, request *http.Request, r request) (*http.Response, error) {
	request.Header.Set("User-Agent", c.options.Name)
	if c.options.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.Key)
	}
	if parent := observe.Traceparent(ctx); parent != "" {
		request.Header.Set("Traceparent", parent)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if version := response.Header.Get(v1.HeaderVersion); version != "" && version != c.options.Version && c.options.Differs != nil && c.told.CompareAndSwap(false, true) {
		c.options.Differs(version)
	}
	if response.StatusCode < http.StatusBadRequest || r.alsoUnhealthy && response.StatusCode == http.StatusServiceUnavailable && response.Header.Get(v1.HeaderCode) == "" {
		return response, nil
	}
	defer response.Body.Close() //nolint:errcheck // it is read as far as it matters
	// An answer to HEAD has no body.
	if code := scout.Code(response.Header.Get(v1.HeaderCode)); r.method == http.MethodHead && code.Known() {
		return nil, scout.Errorf(code, "%s was answered with %s", r.path, response.Status)
	}
	var failure v1.ErrorBody
	if err := json.NewDecoder(io.LimitReader(response.Body, maxErrorBytes)).Decode(&failure); err != nil || failure.Error.Code == "" {
		return nil, c.strange(response.Status, r)
	}
	err = failure.Error.Err()
	if seconds, parseErr := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); parseErr == nil {
		err = resilience.RetryAfter(err, min(time.Duration(seconds)*time.Second, longestAsked)) //nolint:gosec // of 16 bits
	}
	if failure.Error.Code == scout.CodeUnavailable {
		return nil, &absentError{err}
	}
	return nil, err
}

// unreachable returns the error for a request that could not be sent.
func (c *Client) unreachable(ctx context.Context, err error) error {
	cause := err
	var operation *net.OpError
	if errors.As(err, &operation) {
		cause = operation.Err
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.options.Server != "":
		if distrusted := c.distrusted(err); distrusted != nil {
			return distrusted
		}
		return c.silent(cause)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &absentError{scout.Errorf(scout.CodeDaemonUnreachable, "no daemon answers at %s", c.options.Socket).WithHint("start one: scout serve")}
	case errors.Is(err, fs.ErrPermission):
		return scout.Errorf(scout.CodeFilePermission, "the socket %s is not this user's: %w", c.options.Socket, cause)
	case errors.Is(err, syscall.ENOTSOCK), errors.Is(err, syscall.EPROTOTYPE):
		return scout.Errorf(scout.CodeSocketTaken, "%s is no socket", c.options.Socket)
	}
	return lost(err)
}

// silent returns the error for another machine that does not answer.
func (c *Client) silent(cause error) error {
	return scout.Errorf(scout.CodeDaemonUnreachable, "no Scout answers at %s: %s", c.where, scout.Plain(cause)).
		WithHint("see on that machine: scout status; it has to listen at an address that this one reaches (http.addr)")
}

// lostError reports that the daemon ended in the middle of a request.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// lost returns the error for a daemon that ended in the middle of a request.
func lost(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	text := "the daemon ended while it was asked"
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		text += ": " + strings.TrimPrefix(scout.Plain(err), "Get ")
	}
	return &lostError{scout.Errorf(scout.CodeDaemonUnreachable, "%s", text).WithHint("ask again; a recording that runs is not affected")}
}

// tail returns the last lines of a file after a position, joined; empty if there are none.
func tail(path string, from int64, lines int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	const most = 8 << 10
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from = max(from, info.Size()-most)
	data, err := io.ReadAll(io.NewSectionReader(f, from, most))
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	all = all[max(0, len(all)-lines):]
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return strings.Join(all, "; ")
}
