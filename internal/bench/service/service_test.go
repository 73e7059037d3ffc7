package service

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/bench"
)

func TestNoTwoClipsAreTheSame(t *testing.T) {
	t.Parallel()
	speech := make([]float32, 3*rate)
	for i := range speech {
		speech[i] = float32(i%100) / 200
	}
	cuts, seen := newClips(speech), map[string]bool{}
	for range 1000 {
		clip := cuts.cut(100 * time.Millisecond)
		if len(frames(clip)) != rate/10 {
			t.Fatalf("a clip has %d frames", len(frames(clip)))
		}
		if sum := sumOf(clip); seen[sum] {
			t.Fatal("two clips are the same")
		} else {
			seen[sum] = true
		}
	}
}

func TestARecordingIsComparedWithItsTape(t *testing.T) {
	t.Parallel()
	tape := []int16{1, 2, 3, 4, 5}
	for situation, c := range map[string]struct {
		recorded []int16
		want     bench.ServiceWhole
	}{
		"all of it":     {tape, bench.ServiceWhole{Frames: 5}},
		"its beginning": {tape[:3], bench.ServiceWhole{Frames: 3}},
		"a lost frame":  {[]int16{1, 2, 4, 5}, bench.ServiceWhole{Frames: 4, Wrong: 2}},
		"silence":       {[]int16{1, 2, 0, 4, 5}, bench.ServiceWhole{Frames: 5, Wrong: 1}},
		"more than all": {append(slices.Clone(tape), 6), bench.ServiceWhole{Frames: 6, Wrong: 1}},
		"nothing":       {nil, bench.ServiceWhole{}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			if got := compare(frames(wav(c.recorded)), tape); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	if got := frames([]byte("no audio")); got != nil {
		t.Errorf("%v of what is no WAV file", got)
	}
}

func TestMetricsAreSummed(t *testing.T) {
	t.Parallel()
	m := parseMetrics(strings.Join([]string{
		"# HELP scout_a_total Something.", "# TYPE scout_a_total counter", `scout_a_total{code="x y",process="daemon"} 2`, `scout_a_total{process="engine"} 0.5`,
		`scout_a_total_more{process="engine"} 9`, "scout_b 1e3", "", "nonsense",
	}, "\n"))
	for _, c := range []struct {
		name, process string
		want          float64
	}{{"scout_a_total", "", 2.5}, {"scout_a_total", "engine", 0.5}, {"scout_b", "", 1000}, {"scout_none", "", 0}} {
		if got := m.sum(c.name, c.process); got != c.want {
			t.Errorf("%s of %q is %v, want %v", c.name, c.process, got, c.want)
		}
	}
}

// A client knows a refusal with a code from one without, and how long it is to wait.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		answer answer
		what   string
		wait   time.Duration
	}{
		"a refusal": {
			answer{status: 429, header: http.Header{"Retry-After": {"2"}, "Retry-After-Ms": {"1500"}}, body: []byte(`{"error":{"message":"no room","code":"queue_full"}}`)},
			"429 queue_full", 1500 * time.Millisecond,
		},
		"seconds only":   {answer{status: 503, header: http.Header{"Retry-After": {"2"}}, body: []byte(`{"error":{"message":"it stops","code":"unavailable"}}`)}, "503 unavailable", 2 * time.Second},
		"not a Scout":    {answer{status: 502, body: []byte("<html>")}, "502 without a code", time.Second},
		"another object": {answer{status: 500, body: []byte(`{"code":"x"}`)}, "500 without a code", time.Second},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			if c.answer.what() != c.what || c.answer.wait() != c.wait {
				t.Errorf("%s, %s; want %s, %s", c.answer.what(), c.answer.wait(), c.what, c.wait)
			}
		})
	}
}

// A client that is told to wait does, and comes again with the same file.
func TestAGoodClientComesAgain(t *testing.T) {
	t.Parallel()
	var sums []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, _, err := r.FormFile("file")
		if err != nil {
			t.Error(err)
			return
		}
		content, _ := io.ReadAll(file)
		sums = append(sums, sumOf(content))
		if len(sums) < 3 {
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"job_1","recording_id":"r","state":"queued"}`)
	}))
	t.Cleanup(server.Close)
	c := &client{http: server.Client(), base: server.URL, key: "k"}
	clip := wav([]int16{1, 2, 3})
	made, refused, err := c.insist(t.Context(), clip)
	if err != nil || refused != 2 || made.ID != "job_1" || len(sums) != 3 || sums[0] != sumOf(clip) || sums[2] != sums[0] {
		t.Errorf("%v: %+v after %d refusals, %v", err, made, refused, sums)
	}
}

func TestTheEndOfTheTimeIsNoFailure(t *testing.T) {
	t.Parallel()
	var counted tally
	over, end := context.WithCancel(t.Context())
	end()
	counted.failed(over, errors.New("cut off"))
	counted.failed(t.Context(), nil)
	counted.failed(t.Context(), io.ErrUnexpectedEOF)
	counted.failed(t.Context(), syscall.ECONNRESET)
	if want := map[string]int{"answer cut off": 1, "connection reset": 1}; !maps.Equal(counted.all(), want) {
		t.Errorf("%v, want %v", counted.all(), want)
	}
}
