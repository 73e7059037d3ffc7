package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
)

// api precedes the paths of Scout's own interface.
const api = "/api/v1"

// client is a program with a key and connections of its own. It is safe for concurrent use. The caller closes it.
type client struct {
	http *http.Client
	base string
	key  string
}

// client returns a client of the daemon over TCP; without a key it is one of this machine.
func (h *house) client(key string) *client {
	return &client{http: &http.Client{Transport: &http.Transport{DialContext: new(net.Dialer).DialContext, MaxIdleConnsPerHost: 4}}, base: "http://" + h.address(), key: key}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// answer is a complete answer.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration // from the request to the last byte
}

// ok reports success.
func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// code is the code of an error in the form that every error has; empty if it has none.
func (a *answer) code() string {
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(a.body, &e) != nil || e.Error.Message == "" {
		return ""
	}
	return e.Error.Code
}

// what an answer is, for counts: its status and code.
func (a *answer) what() string {
	code := a.code()
	if code == "" {
		code = "without a code"
	}
	return fmt.Sprintf("%d %s", a.status, code)
}

// wait is how long the daemon asks the client to wait.
func (a *answer) wait() time.Duration {
	if ms, err := strconv.Atoi(a.header.Get("Retry-After-Ms")); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
		return time.Duration(s) * time.Second
	}
	return time.Second
}

// do sends a request and reads its answer. An error says that there was no complete answer.
func (c *client) do(ctx context.Context, method, path string, header map[string]string, body []byte) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	began := time.Now()
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return &answer{status: response.StatusCode, header: response.Header, body: content, took: time.Since(began)}, nil
}

// get reads a path.
func (c *client) get(ctx context.Context, path string) (*answer, error) {
	return c.do(ctx, http.MethodGet, path, nil, nil)
}

// ask sends JSON to a path below api and reads JSON. An answer other than success is an error, too, and comes with it.
//
//	in, out  nil for none
func (c *client) ask(ctx context.Context, method, path string, in, out any) (*answer, error) {
	var body []byte
	header := map[string]string{}
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		header["Content-Type"] = "application/json"
	}
	a, err := c.do(ctx, method, api+path, header, body)
	if err != nil {
		return nil, err
	}
	if !a.ok() {
		return a, scout.Errorf(scout.CodeInternal, "%s %s: %d: %s", method, path, a.status, bytes.TrimSpace(a.body))
	}
	if out == nil {
		return a, nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return a, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return a, nil
}

// job is what a client reads of a job.
type job struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	RecordingID string `json:"recording_id"`
	Attempt     int    `json:"attempt"`
	Error       *struct {
		Code string `json:"code"`
	} `json:"error"`
}

// ended reports whether the state is a last one.
func (j *job) ended() bool {
	return j.State == "succeeded" || j.State == "dead" || j.State == "cancelled"
}

// upload sends a form with a clip. The job is that of the answer, if it was taken.
func (c *client) upload(ctx context.Context, clip []byte) (job, *answer, error) {
	kind, body := form(clip)
	a, err := c.do(ctx, http.MethodPost, api+"/jobs", map[string]string{"Content-Type": kind}, body)
	var made job
	if err == nil && a.ok() {
		if err = json.Unmarshal(a.body, &made); err != nil {
			err = fmt.Errorf("the answer to an upload: %w", err)
		}
	}
	return made, a, err
}

// form is the body of an upload and its content type.
func form(clip []byte) (kind string, body []byte) {
	const border = "a-border-that-no-clip-has"
	var b bytes.Buffer
	b.WriteString("--" + border + "\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n")
	b.WriteString("--" + border + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"clip.wav\"\r\nContent-Type: audio/wav\r\n\r\n")
	b.Write(clip)
	b.WriteString("\r\n--" + border + "--\r\n")
	return "multipart/form-data; boundary=" + border, b.Bytes()
}

// insist uploads until the clip is taken, as a good client does: it waits as long as 429 and 503 ask for. refused is how often that was.
func (c *client) insist(ctx context.Context, clip []byte) (made job, refused int, err error) {
	for {
		made, a, err := c.upload(ctx, clip)
		switch {
		case err != nil:
			return made, refused, err
		case a.ok():
			return made, refused, nil
		case a.status != http.StatusTooManyRequests:
			return made, refused, scout.Errorf(scout.CodeInternal, "an upload was refused: %s: %s", a.what(), bytes.TrimSpace(a.body))
		}
		refused++
		if err := resilience.Sleep(ctx, a.wait()); err != nil {
			return made, refused, err
		}
	}
}

// follow waits until a job has ended.
func (c *client) follow(ctx context.Context, id string) (job, error) {
	var j job
	for {
		if _, err := c.ask(ctx, http.MethodGet, "/jobs/"+id+"?wait=30", nil, &j); err != nil {
			return j, err
		}
		if j.ended() {
			return j, nil
		}
	}
}

// whole uploads a clip and waits for its text. It returns how long that took.
func (c *client) whole(ctx context.Context, clip []byte) (time.Duration, error) {
	began := time.Now()
	made, _, err := c.insist(ctx, clip)
	if err != nil {
		return 0, err
	}
	done, err := c.follow(ctx, made.ID)
	if err == nil && done.State != "succeeded" {
		err = scout.Errorf(scout.CodeInternal, "job %s is %s", done.ID, done.State)
	}
	return time.Since(began), err
}

// events reads server-sent events until each returns false. Only the type and the data of an event are given.
func (c *client) events(ctx context.Context, path string, each func(kind string, data []byte) bool) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+api+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it matters
	if response.StatusCode != http.StatusOK {
		return scout.Errorf(scout.CodeInternal, "follow %s: %s", path, response.Status)
	}
	lines, kind := newLines(response.Body), ""
	for lines.Scan() {
		if name, is := strings.CutPrefix(lines.Text(), "event:"); is {
			kind = strings.TrimSpace(name)
		}
		if data, is := strings.CutPrefix(lines.Text(), "data:"); is && !each(kind, []byte(strings.TrimSpace(data))) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	return scout.Errorf(scout.CodeInternal, "follow %s: the stream ended", path)
}
