package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// Bounds of one attempt.
const (
	sendWithin       = 15 * time.Second
	maxAnswerHeaders = 64 << 10
)

// outcome is what became of one attempt.
type outcome struct {
	// status is that of the answer; 0 for none.
	status int
	// err is why the receiver does not have it; nil where it has.
	err error
	// down is true where the failure is that of the host, and not only of this webhook: it was not reached, or its server failed.
	down bool
	// never is true where another attempt would end in the same way.
	never bool
	// gone is true where the receiver wants nothing any more.
	gone bool
	// after is how long the receiver asks to be left alone; 0 where it does not.
	after time.Duration
}

// sender sends single messages.
type sender struct {
	agent           string
	within          time.Duration
	open, permitted *http.Client // for URLs of the owner, and of clients
}

// newSender returns a sender. own lists the addresses of this machine.
func newSender(version string, within time.Duration, own func() ([]net.Addr, error)) *sender {
	s := &sender{agent: "Scout/" + version, within: within}
	s.open = newHTTPClient(new(net.Dialer))
	// The address that is checked is the one that is connected to, behind every resolver: a name that means something else a moment later
	// is of no use.
	s.permitted = newHTTPClient(&net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return permitted(address, own) }})
	return s
}

// newHTTPClient returns a client that keeps no connection, so that none is used for another URL, asks no proxy of the environment, and
// follows nobody to another address.
func newHTTPClient(dialer *net.Dialer) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxAnswerHeaders},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errLate ends an attempt that takes too long.
var errLate = errors.New("no answer in time")

// send sends a message once. Of the answer only the status counts; its body is not read.
func (s *sender) send(ctx context.Context, hook *store.Webhook, message string, at time.Time, body []byte) outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, s.within, errLate)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(body))
	if err != nil {
		return outcome{err: failed("its URL cannot be read"), never: true}
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": s.agent,
		headerID: message, headerTimestamp: strconv.FormatInt(at.Unix(), 10), headerSignature: Sign(hook.Secret, message, at, body),
	} {
		request.Header.Set(name, value)
	}
	client := s.open
	if hook.Guarded {
		client = s.permitted
	}
	response, err := client.Do(request)
	if err != nil {
		return s.unanswered(ctx, err)
	}
	_ = response.Body.Close() // nobody reads it
	return answered(response.StatusCode, response.Header.Get("Retry-After"), at)
}

// failed is the error of an attempt.
func failed(format string, args ...any) *scout.Error {
	return scout.Errorf(scout.CodeWebhookFailed, "%s", fmt.Sprintf(format, args...))
}

// unanswered is what became of an attempt without an answer. Its error has no URL in it: that may be a secret.
func (s *sender) unanswered(ctx context.Context, err error) outcome {
	var sent *url.Error
	var unknown *net.DNSError
	if errors.As(err, &sent) {
		err = sent.Err
	}
	switch {
	case isForbidden(err):
		return outcome{err: failed("%s", forbiddenError{}), never: true}
	case errors.Is(context.Cause(ctx), errLate):
		return outcome{err: failed("it did not answer within %s", s.within), down: true}
	case ctx.Err() != nil:
		return outcome{err: scout.Errorf(scout.CodeCancelled, "the attempt was interrupted")}
	case errors.As(err, &unknown):
		return outcome{err: failed("its host was not found: %s", unknown.Err), down: true}
	}
	return outcome{err: failed("it was not reached: %.300s", scout.Plain(err)), down: true}
}

// longestAsked bounds how long a receiver may ask to be left alone.
const longestAsked = 24 * time.Hour

// answered is what an answer means that came at about that time.
func answered(status int, retryAfter string, now time.Time) outcome {
	o := outcome{status: status}
	switch {
	case status >= 200 && status < 300:
		return o
	case status == http.StatusGone:
		o.gone = true
		o.err = failed("it answered 410: it wants no more of this")
		return o
	case status >= 300 && status < 400:
		o.err = failed("it answered %d: redirects are not followed", status)
	default:
		o.err, o.down = failed("it answered %d", status), status >= 500
	}
	o.after = min(max(asked(retryAfter, now), 0), longestAsked)
	return o
}

// asked is how long a receiver asks to be left alone: seconds, or until a time (RFC 9110, 10.2.3); 0 where it does not.
func asked(retryAfter string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(retryAfter), 10, 31); err == nil {
		return time.Duration(seconds) * time.Second //nolint:gosec // of 31 bits
	}
	if until, err := http.ParseTime(retryAfter); err == nil {
		return until.Sub(now)
	}
	return 0
}
