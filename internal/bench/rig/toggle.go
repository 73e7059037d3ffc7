package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
)

// Before is the state of the recorder before a toggle.
type Before string

// The states.
const (
	RecorderIdle Before = "recorder idle"
	StreamOpen   Before = "microphone kept open"
	NoRecorder   Before = "no recorder"
)

// Befores are all states.
func Befores() []Before { return []Before{RecorderIdle, StreamOpen, NoRecorder} }

// The steps of a toggle.
const (
	stepConnected = "connected" // the daemon has answered, and says where it records
	stepAnswered  = "answered"  // it has accepted the request
	stepOrdered   = "ordered"   // the recorder begins
	stepListening = "listening" // frames arrive, and the client knows
	stepProgram   = "scout toggle"
)

// ToggleSteps are the steps in their order. The last one is the program as a whole, from its start to the recorder's order.
func ToggleSteps() []string {
	return []string{stepConnected, stepAnswered, stepOrdered, stepListening, stepProgram}
}

// Toggle makes a dictation by requests, and one by the program, without text, and returns how long after the beginning each step was done.
func (b *Booth) Toggle(ctx context.Context, before Before) (took map[string]time.Duration, err error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(b.dir, "scout.sock"))
	}}
	defer transport.CloseIdleConnections()
	t := &toggling{Booth: b, http: &http.Client{Transport: transport}, before: before}
	took = make(map[string]time.Duration)
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	var toggled struct{ ID string }
	request := map[string]any{"device": sink + ".monitor", "transcribe": false, "warm": before == StreamOpen}
	for _, step := range []struct {
		name, method, path string
		body               any
	}{
		{stepConnected, http.MethodGet, "/version", nil},
		{stepAnswered, http.MethodPost, "/recorder/toggle", request},
	} {
		if err := t.request(ctx, step.method, step.path, step.body, &toggled); err != nil {
			return nil, err
		}
		took[step.name] = time.Since(began)
	}
	if err := t.until(ctx, toggled.ID, stateListening); err != nil {
		return nil, err
	}
	took[stepListening] = time.Since(began)
	if took[stepOrdered], err = t.ordered(toggled.ID, began); err == nil {
		err = t.end(ctx, toggled.ID)
	}
	if err == nil {
		err = t.prepare(ctx)
	}
	if err != nil {
		return nil, err
	}
	args := []string{"toggle", "--print", "--json", "--language", "en", "--device", sink + ".monitor"}
	if before == StreamOpen {
		args = append(args, "--warm")
	}
	began = time.Now()
	out, err := b.scout(ctx, args...).Output()
	if err == nil {
		err = json.Unmarshal(out, &toggled)
	}
	if err != nil {
		return nil, scout.Errorf(scout.CodeInternal, "scout toggle: %w", err)
	}
	if took[stepProgram], err = t.ordered(toggled.ID, began); err != nil {
		return nil, err
	}
	return took, t.end(ctx, toggled.ID)
}

// toggling is one measurement of Toggle.
type toggling struct {
	*Booth
	http   *http.Client
	before Before
}

// prepare ends the recorder, if none is to run.
func (t *toggling) prepare(ctx context.Context) error {
	if t.before != NoRecorder {
		return nil
	}
	s, err := t.status(ctx)
	if err != nil || s.Recorder.PID == 0 {
		return err
	}
	_ = syscall.Kill(s.Recorder.PID, syscall.SIGTERM) // it may have ended
	for began := time.Now(); syscall.Kill(s.Recorder.PID, 0) == nil; {
		if time.Since(began) > recorderWithin {
			return scout.Errorf(scout.CodeInternal, "recorder %d does not end", s.Recorder.PID)
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // nothing announces the end of a process that is no child
	}
	return nil
}

// request sends a request to the daemon.
func (t *toggling) request(ctx context.Context, method, path string, body, into any) error {
	var in io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		in = bytes.NewReader(data)
	}
	response, err := t.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (t *toggling) send(ctx context.Context, method, path string, in io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://scout/api/v1"+path, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := t.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		_ = response.Body.Close() // the status says enough
		return nil, scout.Errorf(scout.CodeInternal, "%s: %s", path, response.Status)
	}
	return response, nil
}

// until follows a dictation to a state.
func (t *toggling) until(ctx context.Context, id, state string) error {
	response, err := t.send(ctx, http.MethodGet, "/live/"+id+"/events", http.NoBody)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read as far as it matters
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data, is := strings.CutPrefix(lines.Text(), "data:")
		var e spokenEvent
		if is && json.Unmarshal([]byte(data), &e) == nil && e.State == state {
			return nil
		}
	}
	return scout.Errorf(scout.CodeInternal, "dictation %s did not come to the state %s", id, state)
}

// end ends a dictation, and returns when nothing of it is left.
func (t *toggling) end(ctx context.Context, id string) error {
	var stopped struct{}
	if err := t.request(ctx, http.MethodPost, "/live/"+id+"/cancel", nil, &stopped); err != nil {
		return err
	}
	return t.until(ctx, id, stateFailed)
}

// ordered is when the recorder began to open the microphone for a recording, as its log tells.
func (t *toggling) ordered(id string, began time.Time) (time.Duration, error) {
	log, err := os.ReadFile(filepath.Join(t.dir, "recordings", "recorder.log"))
	if err != nil {
		return 0, fmt.Errorf("read the recorder's log: %w", err)
	}
	for line := range strings.Lines(string(log)) {
		if !strings.Contains(line, "msg=recording_started ") || !strings.Contains(line, id) {
			continue
		}
		var at string
		var waited int64
		for _, field := range strings.Fields(line) {
			if value, found := strings.CutPrefix(field, "time="); found {
				at = value
			}
			if value, found := strings.CutPrefix(field, "duration_ms="); found {
				_, _ = fmt.Sscan(value, &waited) // it is a number
			}
		}
		when, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return 0, fmt.Errorf("read the recorder's log: %w", err)
		}
		return when.Add(-time.Duration(waited) * time.Millisecond).Sub(began.Round(0)), nil
	}
	return 0, scout.Errorf(scout.CodeInternal, "the recorder's log has nothing about recording %s", id)
}
