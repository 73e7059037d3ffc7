package service

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// clipLength is how long the clips of the load are.
	clipLength = 10 * time.Second
	// aloneTakes is how many clips are made to text one after the other, before there is load.
	aloneTakes = 6
	// getEvery is how often a reader asks for something.
	getEvery = 20 * time.Millisecond
	// dictationLength is how long each dictation is, and textWithin how long its text may take.
	dictationLength = 3 * time.Second
	textWithin      = 30 * time.Second
)

// load measures a daemon that one key keeps busy. In the first half of the time there are uploads and readers only; in the second one
// there are dictations and the clips of another key as well.
func load(ctx context.Context, o Options, into *bench.Service) error {
	return in(ctx, o, func(h *house) error {
		found := &bench.ServiceLoad{Connections: o.Connections, Device: "file"}
		l := &loading{house: h, clips: newClips(o.Speech), found: found}
		if err := l.alone(ctx); err != nil {
			return err
		}
		if err := l.run(ctx); err != nil {
			return err
		}
		into.Load = found
		return nil
	})
}

type loading struct {
	*house
	clips  *clips
	found  *bench.ServiceLoad
	other  *client // of another key
	errors tally
}

// alone measures the same without load.
func (l *loading) alone(ctx context.Context) error {
	key, err := l.key(ctx, "other", false)
	if err != nil {
		return err
	}
	l.other = l.client(key)
	var queue struct {
		Slots int `json:"slots"`
	}
	if _, err := l.owner.ask(ctx, http.MethodGet, "/queue", nil, &queue); err != nil {
		return err
	}
	l.found.Slots = queue.Slots
	if _, err := l.other.whole(ctx, l.clips.cut(clipLength)); err != nil { // the model is loaded then
		return err
	}
	before, err := l.worked(ctx)
	if err != nil {
		return err
	}
	for n := range aloneTakes {
		l.tell("load: clip %d of %d alone", n+1, aloneTakes)
		took, err := l.other.whole(ctx, l.clips.cut(clipLength))
		if err != nil {
			return err
		}
		l.found.SingleAlone = append(l.found.SingleAlone, took)
	}
	after, err := l.worked(ctx)
	l.found.CPUAlone, l.found.AudioAlone = after.cpu-before.cpu, after.audio-before.audio
	return err
}

// work is what the engine has done so far.
type work struct{ cpu, busy, audio time.Duration }

func (h *house) worked(ctx context.Context) (work, error) {
	m, err := h.metrics(ctx)
	if err != nil {
		return work{}, err
	}
	seconds := func(name, process string) time.Duration {
		return time.Duration(m.sum(name, process) * float64(time.Second))
	}
	return work{
		cpu: seconds("scout_process_cpu_seconds_total", "engine"), busy: seconds("scout_engine_request_seconds_sum", ""),
		audio: seconds("scout_audio_transcribed_seconds_total", ""),
	}, nil
}

func (l *loading) run(ctx context.Context) error {
	key, err := l.key(ctx, "load", false)
	if err != nil {
		return err
	}
	began := time.Now()
	var accepted, refused atomic.Int64
	var gets, single, texts times
	all, end := context.WithTimeout(ctx, l.Time)
	defer end()
	var wait sync.WaitGroup
	for range l.Connections {
		wait.Go(func() { l.uploads(all, key, &accepted, &refused) }) // until the time is over
	}
	wait.Go(func() { l.reads(all, &gets, &l.errors) })
	failed := l.halves(all, began, &single, &texts)
	wait.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := l.found
	f.Took, f.Accepted, f.Refused, f.Errors = time.Since(began), int(accepted.Load()), int(refused.Load()), l.errors.all()
	f.Gets, f.Single, f.StopToText = gets.list(), single.list(), texts.list()
	return failed
}

// halves measures uploads alone, and then what others notice of them.
func (l *loading) halves(ctx context.Context, began time.Time, single, texts *times) error {
	settled := l.Time / 10 // until all connections have work in the queue
	if err := resilience.Sleep(ctx, settled); err != nil {
		return err
	}
	l.tell("load: %d connections upload", l.Connections)
	from := time.Now()
	before, err := l.worked(ctx)
	if err != nil {
		return err
	}
	if err := resilience.Sleep(ctx, l.Time/2-time.Since(began)); err != nil {
		return err
	}
	after, err := l.worked(ctx)
	if err != nil {
		return err
	}
	l.found.BusyWall = time.Since(from)
	l.found.CPU, l.found.Busy, l.found.Audio = after.cpu-before.cpu, after.busy-before.busy, after.audio-before.audio
	l.tell("load: dictations and another key beside them")
	var wait sync.WaitGroup
	wait.Go(func() {
		for ctx.Err() == nil {
			took, err := l.other.whole(context.WithoutCancel(ctx), l.clips.cut(clipLength)) // one that has begun is measured
			if err != nil {
				l.errors.add(broken(err))
				return
			}
			single.add(took)
		}
	})
	wait.Go(func() {
		for ctx.Err() == nil {
			took, err := l.dictate(context.WithoutCancel(ctx))
			if err != nil {
				l.errors.add("dictation: " + broken(err))
				return
			}
			texts.add(took)
		}
	})
	wait.Wait()
	return nil
}

// uploads sends clips over one connection until ctx ends, as a good client does.
func (l *loading) uploads(ctx context.Context, key string, accepted, refused *atomic.Int64) {
	c := l.client(key)
	defer c.close()
	clip := l.clips.cut(clipLength)
	for ctx.Err() == nil {
		_, a, err := c.upload(ctx, clip)
		switch {
		case err != nil:
			l.errors.failed(ctx, err)
		case a.ok():
			accepted.Add(1)
			clip = l.clips.cut(clipLength)
		case a.status == http.StatusTooManyRequests && a.code() != "":
			refused.Add(1)
			_ = resilience.Sleep(ctx, a.wait()) // the loop sees the end of ctx
		default:
			l.errors.add(a.what())
		}
	}
}

// reads asks for all kinds of things until ctx ends.
func (h *house) reads(ctx context.Context, took *times, errors *tally) {
	c := h.client(h.owner.key)
	defer c.close()
	paths := []string{"/readyz", api + "/version", api + "/jobs?limit=50", api + "/recordings?limit=50", api + "/queue", api + "/recorder", api + "/transcripts?limit=20&text=false"}
	tick := time.NewTicker(getEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		a, err := c.get(ctx, paths[n%len(paths)])
		switch {
		case err != nil:
			errors.failed(ctx, err)
		case !a.ok():
			errors.add("GET " + a.what())
		default:
			took.add(a.took)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// dictate makes a dictation with sound from a file, and returns how long after the request to stop its text was there.
func (l *loading) dictate(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, dictationLength+textWithin)
	defer cancel()
	source, err := l.source()
	if err != nil {
		return 0, err
	}
	var started struct {
		ID string `json:"id"`
	}
	if _, err := l.owner.ask(ctx, http.MethodPost, "/recorder/start", map[string]any{"device": "file:" + source, "live": true, "language": "en"}, &started); err != nil {
		return 0, err
	}
	final := make(chan time.Time, 1)
	followed := make(chan error, 1)
	go func() { // ends with the event, or with ctx
		followed <- l.owner.events(ctx, "/live/"+started.ID+"/events", func(kind string, data []byte) bool {
			var e struct {
				State    string   `json:"state"`
				Version  int      `json:"version"` // of a text; without one the rest comes as a revision
				Complete bool     `json:"complete"`
				Warnings []string `json:"warnings"`
			}
			_ = json.Unmarshal(data, &e) // of the daemon
			if (kind == "final" || kind == "revised") && e.Version > 0 {
				if !e.Complete {
					l.errors.add("dictation without part of its text: " + strings.Join(e.Warnings, "; "))
				}
				final <- time.Now()
				return false
			}
			return e.State != "failed"
		})
	}()
	err = resilience.Sleep(ctx, dictationLength)
	stopped := time.Now()
	if err == nil {
		_, err = l.owner.ask(ctx, http.MethodPost, "/recorder/stop", map[string]any{"id": started.ID}, nil)
	}
	if err != nil {
		cancel()
	}
	if ended := <-followed; err == nil {
		err = ended
	}
	if err != nil {
		return 0, err
	}
	select {
	case at := <-final:
		return at.Sub(stopped), nil
	default:
		return 0, scout.Errorf(scout.CodeInternal, "dictation %s failed", started.ID)
	}
}

// source writes a file of speech for the virtual device.
func (l *loading) source() (string, error) {
	path := filepath.Join(l.dir, "speech.wav")
	return path, atomicfile.Write(path, l.clips.cut(2*dictationLength), atomicfile.Options{Unsynced: true})
}
