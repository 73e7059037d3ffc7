package service

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// A daemon lives for shortestLife to longestLife before it is killed.
	shortestLife = 300 * time.Millisecond
	longestLife  = 2500 * time.Millisecond
	// killClip is how long the uploads are.
	killClip = 2 * time.Second
	// formUploaders send forms at the same time.
	formUploaders = 3
	// turnLength is how long a life with everything around it takes at most, for the length of the tape.
	turnLength = 20 * time.Second
	// resultsWithin is how long the texts of all uploads may take after the last kill.
	resultsWithin = 15 * time.Minute
)

// actor uses the daemon in one way.
type actor interface {
	// live makes changes until ctx ends or the daemon is gone.
	live(ctx context.Context)
	// check compares what the daemon has with what it has acknowledged. It is called after each kill, and when all is over.
	check(ctx context.Context, last bool) error
	// result is how many changes of which kind were acknowledged, and how many of them are missing or different.
	result() (kind string, acknowledged, wrong int)
}

// stage is what actors share.
type stage struct {
	*house
	clips  *clips
	killed atomic.Bool // the daemon is, or will be in a moment
	errors tally
	shelf  shelf
}

// refused counts what a client that did nothing wrong must not get while the daemon is there.
func (s *stage) refused(ctx context.Context, a *answer, err error) {
	switch {
	case err != nil && a == nil && !s.killed.Load():
		s.errors.failed(ctx, err)
	case a != nil && !a.ok() && a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable:
		s.errors.add(a.what())
	}
}

// kills kills the daemon at random moments while everything is used.
func kills(ctx context.Context, o Options, into *bench.Service) error {
	return in(ctx, o, func(h *house) error {
		s := &stage{house: h, clips: newClips(o.Speech)}
		found := &bench.ServiceKills{Kills: o.Kills, Acknowledged: map[string]int{}, Wrong: map[string]int{}}
		tape, err := h.newTape(time.Duration(o.Kills+2) * turnLength)
		if err != nil {
			return err
		}
		rolls, err := h.record(ctx, tape)
		if err != nil {
			return err
		}
		text, err := s.keep(ctx)
		if err != nil {
			return err
		}
		var actors []actor
		for range formUploaders {
			actors = append(actors, &formUploader{stage: s})
		}
		actors = append(actors, &tusUploader{stage: s}, &titles{stage: s, recording: rolls.id}, &edits{stage: s, text: text}, &browserSession{stage: s})
		for n := range o.Kills {
			h.tell("kills: %d of %d; %d uploads acknowledged", n+1, o.Kills, len(s.shelf.all()))
			if err := s.life(ctx, actors); err != nil {
				return err
			}
			ready, err := h.start(ctx)
			if err != nil {
				return err
			}
			found.Ready = append(found.Ready, ready)
			if !h.intact(ctx) {
				found.Damaged++
			}
			for _, a := range actors {
				if err := a.check(ctx, false); err != nil {
					return err
				}
			}
		}
		return s.settle(ctx, actors, rolls, found, into)
	})
}

// life lets the actors use the daemon, and kills it at a random moment.
func (s *stage) life(ctx context.Context, actors []actor) error {
	s.killed.Store(false)
	alive, end := context.WithCancel(ctx)
	defer end()
	var wait sync.WaitGroup
	for _, a := range actors {
		wait.Go(func() { a.live(alive) })
	}
	err := resilience.Sleep(ctx, shortestLife+rand.N(longestLife-shortestLife)) // a random moment is what is measured
	s.killed.Store(true)
	s.kill(syscall.SIGKILL)
	end()
	wait.Wait()
	return err
}

// settle waits for the results, and compares everything once more.
func (s *stage) settle(ctx context.Context, actors []actor, rolls *roll, found *bench.ServiceKills, into *bench.Service) (err error) {
	s.tell("kills: waiting for the texts of %d uploads", len(s.shelf.all()))
	if found.Recording, err = s.end(ctx, rolls); err != nil {
		return err
	}
	for _, a := range actors {
		if err := a.check(ctx, true); err != nil {
			return err
		}
		kind, acknowledged, wrong := a.result()
		found.Acknowledged[kind] += acknowledged
		found.Wrong[kind] += wrong
	}
	missing, err := s.shelf.missing(ctx, s.owner)
	if err != nil {
		return err
	}
	found.Acknowledged["uploads"], found.Wrong["uploads"] = len(s.shelf.all()), missing
	within, cancel := context.WithTimeout(ctx, resultsWithin)
	defer cancel()
	found.Jobs = len(s.shelf.all())
	if found.Results, found.Double, err = s.shelf.results(within, s.owner); err != nil {
		return err
	}
	found.Errors = s.errors.all()
	into.Kills = found
	return nil
}

// intact reports whether the check of the database finds nothing.
func (h *house) intact(ctx context.Context) bool {
	check := exec.CommandContext(ctx, h.Program, "check")
	check.Env = h.env
	return check.Run() == nil
}

// keep puts a text into the store and returns its id.
func (s *stage) keep(ctx context.Context) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	segment := map[string]any{"start": 0, "end": 1, "text": "0"}
	_, err := s.owner.ask(ctx, http.MethodPost, "/transcripts", map[string]any{
		"title": "edited", "transcript": map[string]any{"model": "none", "language": "en", "duration": 1, "text": "0", "segments": []any{segment}},
	}, &made)
	return made.ID, err
}

// formUploader sends files, each in one request.
type formUploader struct {
	*stage
	acknowledged int
}

func (f *formUploader) live(ctx context.Context) {
	c := f.client(f.owner.key)
	defer c.close()
	for ctx.Err() == nil {
		clip := f.clips.cut(killClip)
		made, a, err := c.upload(ctx, clip)
		f.refused(ctx, a, err)
		switch {
		case err != nil:
			return
		case a.ok():
			f.acknowledged++
			f.shelf.add(kept{made.RecordingID, made.ID, sumOf(clip)})
		default:
			_ = resilience.Sleep(ctx, a.wait()) // the loop sees the end of ctx
		}
	}
}

func (f *formUploader) check(context.Context, bool) error { return nil } // the shelf is compared when all is over

func (f *formUploader) result() (string, int, int) { return "forms", f.acknowledged, 0 }

// tusUploader sends files in pieces, and goes on after each kill where the daemon says that it is.
type tusUploader struct {
	*stage
	clip         []byte
	location     string // of the upload under way; empty for none
	offset       int    // acknowledged
	pieces, lost int
}

// tusPieces is in how many requests a file is sent.
const tusPieces = 8

func (u *tusUploader) live(ctx context.Context) {
	c := u.client(u.owner.key)
	defer c.close()
	for ctx.Err() == nil {
		a, err := u.step(ctx, c)
		u.refused(ctx, a, err)
		if err != nil {
			return
		}
		if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
			_ = resilience.Sleep(ctx, a.wait()) // the loop sees the end of ctx
			// Where the queue is full, the last piece is kept and its job is refused.
			if err := u.check(ctx, false); err != nil {
				return
			}
		}
	}
}

// step begins an upload or sends its next piece.
func (u *tusUploader) step(ctx context.Context, c *client) (*answer, error) {
	const version = "1.0.0"
	if u.location == "" {
		u.clip, u.offset = u.clips.cut(killClip), 0
		a, err := c.do(ctx, http.MethodPost, api+"/uploads", map[string]string{"Tus-Resumable": version, "Upload-Length": strconv.Itoa(len(u.clip))}, nil)
		if err == nil && a.ok() {
			u.location = a.header.Get("Location")
		}
		return a, err
	}
	piece := u.clip[u.offset:min(len(u.clip), u.offset+len(u.clip)/tusPieces+1)]
	a, err := c.do(ctx, http.MethodPatch, u.location, map[string]string{
		"Tus-Resumable": version, "Upload-Offset": strconv.Itoa(u.offset), "Content-Type": "application/offset+octet-stream",
	}, piece)
	if err == nil && a.ok() {
		u.pieces++
		u.arrived(u.offset+len(piece), a)
	}
	return a, err
}

// arrived notes how much the daemon has, and that it has all.
func (u *tusUploader) arrived(offset int, a *answer) {
	u.offset = offset
	if recording := a.header.Get("Scout-Recording"); recording != "" {
		u.shelf.add(kept{recording, a.header.Get("Scout-Job"), sumOf(u.clip)})
		u.location = ""
	}
}

// check asks where the upload is: no byte that was acknowledged is missing.
func (u *tusUploader) check(ctx context.Context, _ bool) error {
	if u.location == "" {
		return nil
	}
	a, err := u.owner.do(ctx, http.MethodHead, u.location, map[string]string{"Tus-Resumable": "1.0.0"}, nil)
	if err != nil {
		return err
	}
	offset, err := strconv.Atoi(a.header.Get("Upload-Offset"))
	if !a.ok() || err != nil || offset < u.offset {
		u.lost++
		u.location = ""
		return nil //nolint:nilerr // it is counted
	}
	u.arrived(offset, a)
	return nil
}

func (u *tusUploader) result() (string, int, int) { return "pieces of uploads", u.pieces, u.lost }

// titles changes the title of the recording under way.
type titles struct {
	*stage
	recording                  string
	tried, known, count, wrong int
}

func (t *titles) live(ctx context.Context) {
	c := t.client(t.owner.key)
	defer c.close()
	for ctx.Err() == nil {
		t.tried++
		a, err := c.ask(ctx, http.MethodPatch, "/recordings/"+t.recording, map[string]any{"title": strconv.Itoa(t.tried)}, nil)
		t.refused(ctx, a, err)
		if err != nil {
			return
		}
		t.known = t.tried
		t.count++
	}
}

// check compares the title: it is the last one that was acknowledged, or the one whose answer was lost.
func (t *titles) check(ctx context.Context, _ bool) error {
	var found struct {
		Title string `json:"title"`
	}
	if _, err := t.owner.ask(ctx, http.MethodGet, "/recordings/"+t.recording, nil, &found); err != nil {
		return err
	}
	n, err := strconv.Atoi(found.Title)
	if t.known == 0 && found.Title == "" {
		return nil
	}
	if err != nil || n != t.known && n != t.tried {
		t.wrong++
	}
	t.known = n // it must stay
	return nil
}

func (t *titles) result() (string, int, int) { return "titles", t.count, t.wrong }

// edits changes a text. Each edit makes a version, and all of them stay.
type edits struct {
	*stage
	text         string
	tried, wrong int
	acknowledged map[int]string // the text of a version
}

func (e *edits) live(ctx context.Context) {
	c := e.client(e.owner.key)
	defer c.close()
	if e.acknowledged == nil {
		e.acknowledged = make(map[int]string)
	}
	for ctx.Err() == nil {
		e.tried++
		var made struct {
			Version int `json:"version"`
		}
		text := fmt.Sprint("edit ", e.tried)
		a, err := c.ask(ctx, http.MethodPatch, "/transcripts/"+e.text, map[string]any{"edits": []any{map[string]any{"segment": 0, "text": text}}}, &made)
		e.refused(ctx, a, err)
		if err != nil {
			return
		}
		e.acknowledged[made.Version] = text
	}
}

// check compares every version with the edit that made it, when all is over.
func (e *edits) check(ctx context.Context, last bool) error {
	if !last {
		return nil
	}
	for version, text := range e.acknowledged {
		a, err := e.owner.get(ctx, fmt.Sprintf("%s/transcripts/%s?version=%d&format=txt", api, e.text, version))
		if err != nil {
			return err
		}
		if !a.ok() || !strings.Contains(string(a.body), text) {
			e.wrong++
		}
	}
	if len(e.acknowledged) == 0 {
		return scout.Errorf(scout.CodeInternal, "no edit was acknowledged: the daemon is killed too early")
	}
	return nil
}

func (e *edits) result() (string, int, int) { return "edits", len(e.acknowledged), e.wrong }
