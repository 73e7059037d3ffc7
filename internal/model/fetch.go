package model

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	partSuffix  = ".part"
	stateSuffix = ".part.json"
	// maxRedirects: Hugging Face and GitHub use one to three.
	maxRedirects = 10
	// maxBarren is the number of consecutive attempts without a byte after which a source is given up.
	maxBarren = 4
)

// partFile is a file being written; tests use it to let the disk fail.
type partFile interface {
	io.Writer
	Sync() error
	Close() error
}

// openPart opens the file for writing at offset and truncates it there.
func openPart(path string, offset int64) (partFile, error) {
	// Not by atomicfile: the next attempt continues where this one stops.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if err := file.Truncate(offset); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// newHTTPClient returns a client without a total timeout, with limits on every step before the body. It follows
// redirects, except from https to something weaker.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       30 * time.Second,
			ForceAttemptHTTP2:     true,
			DisableCompression:    true, // lengths and ranges must be those of the file
		},
		CheckRedirect: checkRedirect,
	}
}

// redirectError is a redirect that is not followed.
type redirectError struct{ reason string }

func (e *redirectError) Error() string { return e.reason }

func checkRedirect(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirects:
		return &redirectError{fmt.Sprintf("stopped after %d redirects", maxRedirects)}
	case next.URL.Scheme != "https" && via[0].URL.Scheme == "https":
		return &redirectError{"redirects from https to " + next.URL.Scheme}
	}
	return nil
}

// download is the transfer of one file from one address into path+".part".
type download struct {
	store *Store
	meter *meter
	// name is the file's path in the model, for messages and progress.
	name string
	url  string
	path string
	// size is the exact length, -1 if it is not known; limit is the most that is ever accepted.
	size, limit int64
	// sha256 is the sum that the file must have, empty if the first pull will record it.
	sha256 string

	barren  int  // consecutive attempts that brought nothing
	resumed bool // the current attempt appends to bytes of an earlier one
}

// run downloads, with repetition, until the .part file is complete and has its sum. It returns the sum and the size of
// the file. Errors: scout.CodeModelDownload (may work later), scout.CodeModelSource (this source does not have the
// file), those of the file system, or the cause of ctx.
func (d *download) run(ctx context.Context) (sum string, size int64, err error) {
	policy := d.store.retry
	policy.Retryable = func(err error) bool {
		return scout.CodeOf(err) == scout.CodeModelDownload && d.barren < maxBarren
	}
	type result struct {
		sum  string
		size int64
	}
	r, err := resilience.Retry(ctx, d.store.scope, policy, func(ctx context.Context) (result, error) {
		if err := d.attempt(ctx); err != nil {
			return result{}, err
		}
		sum, size, err := hashFile(ctx, d.path+partSuffix)
		if err != nil {
			return result{}, err
		}
		return result{sum, size}, d.compare(sum, size)
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("download %s: %w", d.name, context.Cause(ctx))
	}
	return r.sum, r.size, err
}

// compare refuses a complete file with the wrong sum. If it was assembled in several attempts, a part may be wrong:
// then it is downloaded once more as a whole.
func (d *download) compare(sum string, size int64) error {
	if d.sha256 == "" || sum == d.sha256 {
		return nil
	}
	if err := d.forget(); err != nil {
		return err
	}
	if d.resumed {
		return scout.Errorf(scout.CodeModelDownload, "download %s: the resumed file has another SHA-256: starting over", d.name)
	}
	return scout.Errorf(scout.CodeModelSource, "%s gives %s with SHA-256 %s (%d bytes), not %s", label(d.url), d.name, sum, size, d.sha256)
}

// forget deletes what was downloaded so far.
func (d *download) forget() error {
	err := errors.Join(ignoreMissing(os.Remove(d.path+partSuffix)), ignoreMissing(os.Remove(d.path+stateSuffix)))
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "delete partial download", err)
	}
	return nil
}

// partState lies beside a .part file and says what it is a part of.
type partState struct {
	URL string `json:"url"`
	// Validator is a strong ETag or the date of the last change, as If-Range wants it (RFC 9110, 13.1.5).
	Validator string `json:"validator"`
}

// resumable returns how many bytes an earlier attempt left, and the validator that proves that they belong to the file
// that the source has now. Without a validator they are used only if the final sum is known.
func (d *download) resumable() (offset int64, validator string) {
	info, err := os.Stat(d.path + partSuffix)
	if err != nil || info.Size() == 0 {
		return 0, ""
	}
	var state partState
	if data, err := readSmall(d.path + stateSuffix); err == nil && json.Unmarshal(data, &state) == nil && state.URL == d.url {
		validator = state.Validator
	}
	if validator == "" && d.sha256 == "" || d.size >= 0 && info.Size() > d.size {
		return 0, ""
	}
	return info.Size(), validator
}

// errStalled ends an attempt that brings nothing for too long.
var errStalled = errors.New("the server sent nothing for too long")

// attempt makes one request and writes what comes.
func (d *download) attempt(ctx context.Context) (err error) {
	d.barren++
	offset, validator := d.resumable()
	if d.size >= 0 && offset == d.size {
		d.resumed = true
		return nil // complete; only the sum is still to be compared
	}
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.store.stall, func() { cancel(errStalled) })
	defer stall.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return scout.Errorf(scout.CodeInvalidArgument, "download %s: %w", d.name, err)
	}
	request.Header.Set("User-Agent", "scout")
	request.Header.Set("Accept-Encoding", "identity")
	if offset > 0 {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
		if validator != "" {
			request.Header.Set("If-Range", validator)
		}
	}
	response, err := d.store.client.Do(request)
	if err != nil {
		return d.transportError(parent, ctx, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	offset, err = d.accept(response, offset)
	if err != nil {
		return err
	}
	d.resumed = offset > 0
	if offset == 0 {
		if err := d.remember(response); err != nil {
			return err
		}
	}
	return d.write(parent, ctx, response, offset, stall)
}

// accept looks at status and headers and returns the offset at which the body belongs into the file.
func (d *download) accept(response *http.Response, offset int64) (int64, error) {
	from := label(d.url)
	switch code := response.StatusCode; {
	case code == http.StatusOK:
		offset = 0 // no ranges here, or the file has changed: the whole file comes
	case code == http.StatusPartialContent:
		if first, ok := firstByte(response.Header.Get("Content-Range")); !ok || first != offset {
			return 0, errors.Join(d.forget(), scout.Errorf(scout.CodeModelDownload, "download %s: %s answered with another range", d.name, from))
		}
	case code == http.StatusRequestedRangeNotSatisfiable:
		return 0, errors.Join(d.forget(), scout.Errorf(scout.CodeModelDownload, "download %s: %s has fewer bytes than before: starting over", d.name, from))
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code >= 500:
		err := scout.Errorf(scout.CodeModelDownload, "download %s: %s answered %s", d.name, from, response.Status)
		if pause, ok := retryAfter(response.Header.Get("Retry-After"), d.store.now()); ok {
			return 0, resilience.RetryAfter(err, pause)
		}
		return 0, err
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return 0, scout.Errorf(scout.CodeModelSource, "download %s: %s refuses it (%s)", d.name, from, response.Status).
			WithHint("a licence may have to be accepted there: download the files with a browser, then: scout models pull MODEL --from DIR")
	default:
		return 0, scout.Errorf(scout.CodeModelSource, "download %s: %s answered %s", d.name, from, response.Status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return 0, d.notTheFile("a web page")
	}
	if coding := response.Header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		return 0, d.notTheFile("a file in " + coding + " coding")
	}
	unframed := response.ContentLength < 0 && response.ProtoMajor == 1 && len(response.TransferEncoding) == 0
	switch total := offset + response.ContentLength; {
	case response.ContentLength < 0 && unframed && d.size < 0:
		return 0, scout.Errorf(scout.CodeModelSource, "download %s: %s does not say how long the file is", d.name, from)
	case response.ContentLength < 0:
	case d.size >= 0 && total != d.size:
		return 0, errors.Join(d.forget(), scout.Errorf(scout.CodeModelSource, "download %s: %s has %d bytes, want %d", d.name, from, total, d.size))
	case total > d.limit:
		return 0, d.tooLong()
	default:
		d.meter.expect(d.name, total)
	}
	return offset, nil
}

func (d *download) notTheFile(what string) error {
	return scout.Errorf(scout.CodeModelSource, "download %s: %s answered with %s instead of the file", d.name, label(d.url), what).
		WithHint("a proxy or login page may be in between: download the files with a browser, then: scout models pull MODEL --from DIR")
}

func (d *download) tooLong() error {
	return errors.Join(d.forget(), scout.Errorf(scout.CodeModelSource, "download %s: %s gives more than %d bytes", d.name, label(d.url), d.limit))
}

// remember records which file the bytes belong to. It is written before the first byte.
func (d *download) remember(response *http.Response) error {
	state := partState{URL: d.url, Validator: response.Header.Get("ETag")}
	if state.Validator == "" || strings.HasPrefix(state.Validator, "W/") {
		state.Validator = response.Header.Get("Last-Modified")
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("download %s: %w", d.name, err)
	}
	if err := ignoreMissing(os.Remove(d.path + partSuffix)); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "begin download", err)
	}
	// Without a record, or with an empty one, the download begins again.
	if err := atomicfile.Write(d.path+stateSuffix, data, atomicfile.Options{Unsynced: true}); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "begin download", err)
	}
	return nil
}

// write appends the body at offset. What came is synced even if the transfer breaks: the next attempt continues there.
func (d *download) write(parent, ctx context.Context, response *http.Response, offset int64, stall *time.Timer) (err error) {
	file, err := d.store.openPart(d.path+partSuffix, offset)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "write "+d.name, err)
	}
	defer func() {
		if closeErr := errors.Join(file.Sync(), file.Close()); closeErr != nil && err == nil {
			err = scout.FileError(scout.CodeWriteFailed, "write "+d.name, closeErr)
		}
	}()
	buffer := make([]byte, copyBufferBytes)
	at := offset
	for {
		n, readErr := response.Body.Read(buffer)
		if n > 0 {
			stall.Reset(d.store.stall)
			if at == 0 && looksForeign(buffer[:n]) != "" {
				return errors.Join(d.notTheFile(looksForeign(buffer[:n])), d.forget())
			}
			if at+int64(n) > d.limit {
				return d.tooLong()
			}
			if _, err := file.Write(buffer[:n]); err != nil {
				return scout.FileError(scout.CodeWriteFailed, "write "+d.name, err)
			}
			at += int64(n)
			d.barren = 0
			d.store.metrics.pullBytes.Add(float64(n))
			d.meter.at(d.name, at, int64(n))
		}
		switch {
		case readErr == nil:
		case !errors.Is(readErr, io.EOF):
			return d.transportError(parent, ctx, readErr)
		case d.size >= 0 && at != d.size:
			return scout.Errorf(scout.CodeModelDownload, "download %s: %s ended after %d of %d bytes", d.name, label(d.url), at, d.size)
		case at == 0:
			return scout.Errorf(scout.CodeModelSource, "download %s: %s gave an empty file", d.name, label(d.url))
		default:
			return nil
		}
	}
}

// looksForeign names the kind of file that the first bytes show, empty for anything that may be a model.
func looksForeign(first []byte) string {
	head := bytes.ToLower(bytes.TrimLeft(first[:min(len(first), 256)], " \t\r\n\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(head, []byte("<!doctype html")), bytes.HasPrefix(head, []byte("<html")):
		return "a web page"
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return "a Git LFS pointer"
	}
	return ""
}

// transportError gives a failure of the connection its code.
func (d *download) transportError(parent, ctx context.Context, err error) error {
	if parent.Err() != nil {
		return context.Cause(parent)
	}
	if errors.Is(context.Cause(ctx), errStalled) {
		return scout.Errorf(scout.CodeModelDownload, "download %s: %s sent nothing for %s", d.name, label(d.url), d.store.stall)
	}
	var redirect *redirectError
	if errors.As(err, &redirect) {
		return scout.Errorf(scout.CodeModelSource, "download %s: %s: %w", d.name, label(d.url), redirect)
	}
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &authority) {
		return scout.Errorf(scout.CodeModelSource, "download %s: no secure connection to %s: %w", d.name, label(d.url), err).
			WithHint("check the clock of this machine, and SSL_CERT_FILE if a proxy has its own certificate; or: scout models pull MODEL --from DIR")
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats the address, including the query
	}
	download := scout.Errorf(scout.CodeModelDownload, "download %s from %s: %w", d.name, label(d.url), err)
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return download.WithHint("check the connection; without one: scout models pull MODEL --from DIR-OR-MIRROR")
	}
	return download
}

// label returns an address without the parts that may be secret: user, query, fragment.
func label(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the source"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// firstByte reads "bytes first-last/total".
func firstByte(contentRange string) (int64, bool) {
	rest, ok := strings.CutPrefix(contentRange, "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(rest, "-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(first, 10, 64)
	return n, err == nil
}

// maxRetryAfter bounds the pause that a server may ask for.
const maxRetryAfter = 2 * time.Minute

// retryAfter reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}
