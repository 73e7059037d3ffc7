//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/text"
)

// daemonKills is how often the daemon is killed; 5 unless set. make chaos sets it, and prints the figures.
const daemonKills = "SCOUT_DAEMON_KILLS"

// Titles and labels are changed, a text is edited and a recording continues, all at the same time, while the daemon is
// killed at random moments. Every change that it acknowledged is there, and at most the one that was under way. The
// database is intact, and the recording is what the device delivered.
func TestKilledDaemonsForgetNothing(t *testing.T) {
	t.Parallel()
	kills := 5
	n, err := strconv.Atoi(os.Getenv(daemonKills))
	printed := err == nil
	if printed {
		kills = n
	}
	h := inHouse(quietBooth(t))
	h.must("start", "--device", codedDevice)
	h.untilFrames(1_000)
	id := h.status().Recorder.Recording.ID
	c := h.caller()
	text := c.keep()
	changes := []*changeKind{
		{doing: "title", names: 1, known: map[string]int{}, change: func(n int) (int, bool) {
			return 0, c.call(http.MethodPatch, "/recordings/"+id, map[string]any{"title": strconv.Itoa(n)}, nil)
		}},
		{doing: "label", names: labelNames, known: map[string]int{}, change: func(n int) (int, bool) {
			return 0, c.call(http.MethodPatch, "/recordings/"+id, map[string]any{"labels": map[string]string{"label" + strconv.Itoa(n%labelNames): strconv.Itoa(n)}}, nil)
		}},
		{doing: "edit", names: 1, known: map[string]int{}, change: func(n int) (int, bool) {
			var made v1.Transcript
			ok := c.call(http.MethodPatch, "/transcripts/"+text, v1.Edits{Edits: []v1.Edit{{Segment: 0, Text: strconv.Itoa(n)}}}, &made)
			return made.Version, ok
		}},
	}
	var ready spread
	for kill := range kills {
		for _, change := range changes {
			change.first = make(chan struct{})
		}
		was := h.status()
		if was.Recorder.Recording == nil || was.Recorder.Recording.ID != id {
			t.Fatalf("kill %d: the daemon knows of no recording: %+v", kill, was.Recorder)
		}
		var wait sync.WaitGroup
		for _, change := range changes {
			wait.Go(change.untilKilled)
		}
		for _, change := range changes {
			<-change.first // on a busy machine none is acknowledged for a while
		}
		time.Sleep(time.Duration(rand.IntN(150_000)) * time.Microsecond) // a random moment is what is tested
		target := was.PID
		if kill%2 == 1 {
			target = -target // its process group, which is its session
		}
		killed := time.Now()
		if err := syscall.Kill(target, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		h.untilAnswered(was.PID)
		ready = append(ready, time.Since(killed))
		wait.Wait()
		h.compare(c, id, text, changes)
		if report, err := sqlite.CheckFile(t.Context(), filepath.Join(h.data, sqlite.FileName)); err != nil || len(report.Problems) > 0 {
			t.Errorf("kill %d: the database: %v, %v", kill, report.Problems, err)
		}
		if t.Failed() {
			t.Fatalf("after kill %d of %d", kill+1, kills)
		}
	}
	acknowledged := 0
	for _, change := range changes {
		acknowledged += len(change.acknowledged)
		if len(change.acknowledged) < kills {
			t.Errorf("%s: only %d changes in %d lives of the daemon: it is killed too early", change.doing, len(change.acknowledged), kills)
		}
	}
	h.compareVersions(c, text, changes[2])
	h.must("check")
	h.must("stop")
	m := h.only()
	h.wholeSignal(m)
	t.Logf("%d changes were acknowledged in %d lives, ready again after %s", acknowledged, kills, ready)
	if printed {
		group := figures{t, fmt.Sprintf("daemon killed at %d random moments while all is used", kills)}
		group.report("acknowledged changes that are there", fmt.Sprintf("all of %d", acknowledged), "all", !t.Failed())
		group.report("integrity_check of the database", "ok each time", "ok", !t.Failed())
		group.report("recording", fmt.Sprintf("%d frames, 0 lost, 0 wrong", m.Frames), "bit-exact", !t.Failed())
		group.report("ready again after", ready.String(), "1s", ready.most() < time.Second)
	}
}

// labelNames is how many labels are changed in turn.
const labelNames = 20

// changeKind is the changes of one kind, numbered from 1. Number n writes n.
type changeKind struct {
	doing        string
	change       func(n int) (version int, ok bool)
	names        int // how many things are changed in turn
	tried        int
	acknowledged []acknowledged
	known        map[string]int // the number that is there, by name
	first        chan struct{}  // closed with the first change that is acknowledged in this life, or with the end of changes
}

// name returns the name of what number n changes.
func (c *changeKind) name(n int) string { return c.doing + strconv.Itoa(n%c.names) }

type acknowledged struct{ n, version int }

// untilKilled makes changes until one is not acknowledged.
func (c *changeKind) untilKilled() {
	begun := sync.OnceFunc(func() { close(c.first) })
	defer begun()
	for {
		c.tried++
		version, ok := c.change(c.tried)
		if !ok {
			return
		}
		c.acknowledged = append(c.acknowledged, acknowledged{c.tried, version})
		c.known[c.name(c.tried)] = c.tried
		begun()
	}
}

// holds reports an error unless the present value is the last one that the test knows of, or that of the one change
// whose answer was lost.
func (c *changeKind) holds(t *testing.T, name, there string) {
	t.Helper()
	known := c.known[name]
	if known == 0 && there == "" || known == 0 && c.doing == "edit" {
		return // nothing was acknowledged yet
	}
	n, err := strconv.Atoi(there)
	if err != nil || n != known && (n != c.tried || c.name(n) != name) {
		t.Errorf("the %s %s is %q: %d was there and %d was tried", c.doing, name, there, known, c.tried)
	}
	c.known[name] = n // it must stay
}

// compare compares what the daemon has with what was acknowledged.
func (h *house) compare(c *caller, id, text string, kinds []*changeKind) {
	h.t.Helper()
	var described v1.RecordingInfo
	var edited v1.Transcript
	if !c.call(http.MethodGet, "/recordings/"+id, nil, &described) || !c.call(http.MethodGet, "/transcripts/"+text, nil, &edited) || len(edited.Segments) != 1 {
		h.t.Fatalf("recording %+v, text %+v", described, edited)
	}
	titles, labels, edits := kinds[0], kinds[1], kinds[2]
	titles.holds(h.t, titles.name(0), described.Title)
	edits.holds(h.t, edits.name(0), edited.Segments[0].Text)
	for n := range labelNames {
		labels.holds(h.t, labels.name(n), described.Labels[labels.name(n)])
	}
}

// compareVersions compares every version of the text with the edit that made it.
func (h *house) compareVersions(c *caller, text string, edits *changeKind) {
	h.t.Helper()
	for _, a := range edits.acknowledged {
		var version v1.Transcript
		if !c.call(http.MethodGet, fmt.Sprintf("/transcripts/%s?version=%d", text, a.version), nil, &version) || len(version.Segments) != 1 || version.Segments[0].Text != strconv.Itoa(a.n) {
			h.t.Fatalf("version %d is %+v, edit %d was acknowledged", a.version, version, a.n)
		}
	}
}

// untilAnswered waits until another daemon answers than the one that was killed. The command starts it.
func (h *house) untilAnswered(killed int) {
	h.t.Helper()
	for began := time.Now(); time.Since(began) < patience; {
		var status v1.Status
		got := h.run("status", "--json")
		if got.code == 0 && json.Unmarshal([]byte(got.out), &status) == nil && status.PID != killed {
			return
		}
	}
	h.t.Fatal("no daemon answers")
}

// caller calls the API of the present daemon, on a new connection each time. It starts no daemon.
type caller struct {
	t      *testing.T
	client *http.Client
}

func (h *house) caller() *caller {
	return &caller{h.t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, daemon.SocketName))
	}}}}
}

// call reports whether the daemon acknowledged the call with a complete answer. A refusal fails the test.
func (c *caller) call(method, path string, body, answer any) bool {
	c.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		c.t.Error(err)
		return false
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, "http://scout/api/v1"+path, bytes.NewReader(encoded))
	if err != nil {
		c.t.Error(err)
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return false // it was killed
	}
	defer func() { _ = response.Body.Close() }() // it was read
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return false // likewise
	}
	if response.StatusCode >= 300 {
		c.t.Errorf("%s %s: %s: %s", method, path, response.Status, content)
		return false
	}
	if answer == nil {
		return true
	}
	if err := json.Unmarshal(content, answer); err != nil {
		c.t.Errorf("%s %s: %v: %s", method, path, err, content)
		return false
	}
	return true
}

// keep puts a text into the store and returns its id.
func (c *caller) keep() string {
	c.t.Helper()
	var kept v1.TranscriptSummary
	text := v1.Keep{Title: "spoken", Transcript: v1.Transcript{Object: text.Object{Model: "none", Language: "en", Duration: 1, Text: "0", Segments: []text.Segment{{End: 1, Text: "0"}}}}}
	if !c.call(http.MethodPost, "/transcripts", text, &kept) || kept.ID == "" {
		c.t.Fatalf("kept %+v", kept)
	}
	return kept.ID
}
