package backlog_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
)

func TestWhenAPromisedTextIsMade(t *testing.T) {
	t.Parallel()
	for situation, work := range map[string]func(d *desk) recording.ID{
		"it is promised before the recording begins": func(d *desk) recording.ID {
			p, id := d.start(), recording.NewID(time.Now())
			p.promise(id)
			w := d.begin(id)
			if got, _ := p.Get(id); got.State != backlog.Recording {
				d.Errorf("while it is recorded: %+v", got)
			}
			d.finish(w)
			p.Ended(id)
			p.until(id, backlog.Done)
			return id
		},
		"it is promised after the recording has ended": func(d *desk) recording.ID {
			p, id := d.start(), d.record()
			p.promise(id)
			p.Ended(id)
			p.until(id, backlog.Done)
			return id
		},
		"the process ended before the recording": func(d *desk) recording.ID {
			id := recording.NewID(time.Now())
			d.promised(id)
			d.finish(d.begin(id))
			d.start().until(id, backlog.Done)
			return id
		},
		"the process ended after the recording": func(d *desk) recording.ID {
			id := d.record()
			d.promised(id)
			d.start().until(id, backlog.Done)
			return id
		},
		"the machine ended during the recording": func(d *desk) recording.ID {
			w := d.begin("")
			d.promised(w.ID())
			if err := w.Abandon(); err != nil {
				d.Fatal(err)
			}
			d.start().until(w.ID(), backlog.Done)
			return w.ID()
		},
		"it is promised and ended many times": func(d *desk) recording.ID {
			p, id := d.start(), d.record()
			for range 5 {
				p.promise(id)
				p.Ended(id)
			}
			p.until(id, backlog.Done)
			return id
		},
		"there was no model": func(d *desk) recording.ID {
			if err := os.RemoveAll(filepath.Join(d.dir, "models")); err != nil {
				d.Fatal(err)
			}
			p, id := d.start(), d.record()
			p.promise(id)
			p.Ended(id)
			if it := p.until(id, backlog.Waiting); !backlog.NeedsModel(it.Err) || scout.HintOf(it.Err) == "" || it.NextAttempt.IsZero() {
				d.Errorf("without a model: %+v, want what to do", it)
			}
			if r := p.Check().Probe(d.Context()); r.Status != health.Degraded || !strings.Contains(r.Reason, "1 recording waits") || !strings.Contains(r.Reason, "scout models") {
				d.Errorf("health %+v", r)
			}
			d.model("hello")
			p.until(id, backlog.Done)
			return id
		},
		"the engine crashed": func(d *desk) recording.ID {
			d.write("models/a/do", "crash")
			p, id := d.start(), d.record()
			p.promise(id)
			p.Ended(id)
			p.until(id, backlog.Waiting)
			d.write("models/a/do", "hello")
			p.until(id, backlog.Done)
			return id
		},
		"the process ended while it was made": func(d *desk) recording.ID {
			d.write("models/a/do", "wait")
			p, id := d.start(), d.record()
			p.promise(id)
			p.Ended(id)
			p.until(id, backlog.Running)
			p.end()
			d.wantTexts(id)
			d.wantPromises(1)
			d.write("models/a/do", "hello")
			d.start().until(id, backlog.Done)
			return id
		},
		"the process stopped in order while it was made": func(d *desk) recording.ID {
			d.write("models/a/do", "wait")
			p, id := d.start(), d.record()
			p.promise(id)
			p.Ended(id)
			p.until(id, backlog.Running)
			if err := p.Drain(d.Context(), time.Millisecond); err != nil {
				d.Errorf("drain: %v", err)
			}
			if it, _ := p.Get(id); it.State != backlog.Queued || it.Err != nil {
				d.Errorf("after the drain: %+v, want it queued", it)
			}
			p.end()
			d.write("models/a/do", "hello")
			d.start().until(id, backlog.Done)
			return id
		},
		"the process stopped in order and there was time": func(d *desk) recording.ID {
			d.write("models/a/do", "wait")
			p, id := d.start(), d.record()
			p.promise(id)
			p.Ended(id)
			p.until(id, backlog.Running)
			time.AfterFunc(10*time.Millisecond, func() { d.write("models/a/do", "hello") })
			if err := p.Drain(d.Context(), time.Minute); err != nil {
				d.Errorf("drain: %v", err)
			}
			p.until(id, backlog.Done)
			return id
		},
		"the process ended between the text and the end of the promise": func(d *desk) recording.ID {
			p, id := d.start(), d.record()
			p.promise(id)
			kept, err := os.ReadFile(filepath.Join(d.dir, "backlog", string(id)+".json"))
			if err != nil {
				d.Fatal(err)
			}
			p.Ended(id)
			p.until(id, backlog.Done)
			p.end()
			d.write("backlog/"+string(id)+".json", string(kept))
			d.start().until(id, backlog.Done)
			return id
		},
		"somebody else is about to make it and does not": func(d *desk) recording.ID {
			p, id := d.start(), d.record()
			release := p.Hold(id)
			p.promise(id)
			p.Ended(id)
			time.Sleep(20 * time.Millisecond) // nothing happens, which nobody tells
			if it, _ := p.Get(id); it.State != backlog.Queued {
				d.Errorf("while it is held: %+v", it)
			}
			release()
			p.until(id, backlog.Done)
			return id
		},
		"somebody else makes it": func(d *desk) recording.ID {
			p, id := d.start(), d.record()
			release := p.Hold(id)
			p.promise(id)
			p.Ended(id)
			d.write("models/a/do", "not this one")
			if _, _, err := d.history.Keep(d.Context(), history.Text{Recording: string(id), Transcript: scout.Transcript{Segments: []scout.Segment{{Text: "hello", End: time.Second}}}}); err != nil {
				d.Fatal(err)
			}
			release()
			p.until(id, backlog.Done)
			return id
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := work(d)
			d.wantTexts(id, "hello")
			d.wantPromises(0)
		})
	}
}

func TestTextsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		spoil func(d *desk, id recording.ID)
		order backlog.Order
		want  scout.Code
	}{
		"the audio is no audio": {func(d *desk, id recording.ID) {
			d.write("recordings/"+string(id)+".wav", "this is not audio, although its name says so, and it is longer than a header")
		}, backlog.Order{}, scout.CodeAudioUnsupported},
		"the audio is empty":                   {func(d *desk, id recording.ID) { d.write("recordings/"+string(id)+".wav", "") }, backlog.Order{}, scout.CodeAudioEmpty},
		"the audio is missing":                 {func(d *desk, id recording.ID) { _ = os.Remove(d.folder.AudioPath(id)) }, backlog.Order{}, scout.CodeFileNotFound},
		"the model does not know the language": {func(*desk, recording.ID) {}, backlog.Order{Language: "de"}, scout.CodeModelLanguage},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			p, id := d.start(), d.record()
			c.spoil(d, id)
			if err := p.Promise(t.Context(), id, c.order); err != nil {
				t.Fatal(err)
			}
			p.Ended(id)
			if it := p.until(id, backlog.Failed); scout.CodeOf(it.Err) != c.want {
				t.Errorf("failed with %v (%s), want %s", it.Err, scout.CodeOf(it.Err), c.want)
			}
			if r := p.Check().Probe(t.Context()); r.Status != health.Degraded || !strings.Contains(r.Reason, string(id)) {
				t.Errorf("health %+v, want it degraded with the recording", r)
			}
			p.end()
			if p.open != 0 {
				t.Errorf("%d things keep the process, although nothing is owed", p.open)
			}
			next := d.start() // which does not try again, and knows why
			if it, _ := next.Get(id); it.State != backlog.Failed || scout.CodeOf(it.Err) != c.want {
				t.Errorf("the next process: %+v", it)
			}
			if _, _, err := d.history.Keep(t.Context(), history.Text{Recording: string(id), Transcript: scout.Transcript{Segments: []scout.Segment{{Text: "by hand", End: time.Second}}}}); err != nil && c.want != scout.CodeFileNotFound {
				t.Fatal(err)
			} else if err == nil {
				next.until(id, backlog.Done)
				d.wantPromises(0)
			}
		})
	}
}

func TestPromisesThatNobodyWantsAnyMore(t *testing.T) {
	t.Parallel()
	for situation, work := range map[string]func(d *desk, p *process, id recording.ID){
		"it is withdrawn before the end": func(d *desk, p *process, id recording.ID) {
			if err := p.Withdraw(d.Context(), id); err != nil {
				d.Error(err)
			}
			p.Ended(id)
		},
		"it is withdrawn while it is made": func(d *desk, p *process, id recording.ID) {
			d.write("models/a/do", "wait")
			p.Ended(id)
			p.until(id, backlog.Running)
			if err := p.Withdraw(d.Context(), id); err != nil {
				d.Error(err)
			}
		},
		"the recording was deleted": func(d *desk, p *process, id recording.ID) {
			if err := d.folder.Trash(id); err != nil {
				d.Error(err)
			}
			p.Ended(id)
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			p, w := d.start(), d.begin("")
			id := w.ID()
			p.promise(id)
			d.finish(w)
			work(d, p, id)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for revision, found := uint64(0), true; found && ctx.Err() == nil; {
				var it backlog.Item
				it, found = p.Wait(ctx, id, revision)
				revision = it.Revision
			}
			p.end()
			d.wantTexts(id)
			d.wantPromises(0)
			if p.open != 0 {
				t.Errorf("%d things keep the process", p.open)
			}
		})
	}
}

func TestADefectCostsOneText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad, good := d.record(), d.record()
	first := true
	p := d.start(func(o *backlog.Options) {
		engines := o.Engines
		o.Engines = lender(func(ctx context.Context, model string, role recognize.Role, language string) (*recognize.Recognizer, func(), error) {
			if first {
				first = false
				panic("injected")
			}
			return engines.BorrowFor(ctx, model, role, language)
		})
	})
	p.promise(bad)
	p.Ended(bad)
	if it := p.until(bad, backlog.Failed); scout.CodeOf(it.Err) != scout.CodeInternal {
		t.Errorf("%+v", it)
	}
	p.promise(good)
	p.Ended(good)
	p.until(good, backlog.Done)
	if n := enginetest.Panics(t, d.registry); n != 1 {
		t.Errorf("%g panics were counted", n)
	}
	p.promise(bad) // asked for again
	p.Ended(bad)
	p.until(bad, backlog.Done)
	d.wantTexts(bad, "hello")
}

type lender func(ctx context.Context, model string, role recognize.Role, language string) (*recognize.Recognizer, func(), error)

func (l lender) BorrowFor(ctx context.Context, model string, role recognize.Role, language string) (*recognize.Recognizer, func(), error) {
	return l(ctx, model, role, language)
}

func TestPromisesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.record()
	d.promised(id)
	for name, content := range map[string]string{
		"20261101T000000000Z-000000000001.json": "", "20261101T000000000Z-000000000002.json": "{\"version\":1,\"recording\":\"other\"}",
		"20261101T000000000Z-000000000003.json": "{\"version\":99}", "notes.txt": "x", "20261101T000000000Z-000000000004.json": strings.Repeat(" ", 2<<20),
	} {
		d.write("backlog/"+name, content)
	}
	p := d.start()
	p.until(id, backlog.Done)
	d.wantPromises(5) // they are left for a person to see
	if list := p.List(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAPromiseThatCannotBeWrittenIsKeptAllTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write("backlog", "a file in the place of the folder")
	id := d.record()
	d.start(func(o *backlog.Options) { o.Dir = filepath.Join(d.dir, "elsewhere") })
	p := d.start(func(o *backlog.Options) { o.Dir = filepath.Join(d.dir, "none") })
	d.write("none", "a file in the place of the folder")
	if err := p.Promise(t.Context(), id, backlog.Order{}); err == nil {
		t.Error("no error, although nothing could be written")
	}
	p.Ended(id)
	p.until(id, backlog.Done)
	d.wantTexts(id, "hello")
}

func TestWithoutAStoreATextIsOwed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.record()
	broken := &brokenStore{Store: d.store, err: scout.Errorf(scout.CodeStoreCorrupt, "damaged")}
	p := d.start(func(o *backlog.Options) {
		o.History = history.New(observe.Scope{}, broken, ondisk.Folders{{Folder: d.folder, Source: store.SourceMicrophone}})
	})
	p.promise(id)
	p.Ended(id)
	if it := p.until(id, backlog.Waiting); !errors.Is(it.Err, broken.err) {
		t.Errorf("%+v", it)
	}
	d.wantPromises(1)
}

// brokenStore is a store that cannot be read.
type brokenStore struct {
	store.Store
	err error
}

// Versions implements store.Store.
func (b *brokenStore) Versions(context.Context, store.Key) ([]store.Version, error) {
	return nil, b.err
}

func TestOrdersThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	p := d.start()
	for situation, c := range map[string]struct {
		order backlog.Order
		want  scout.Code
	}{
		"nothing said":                    {backlog.Order{}, ""},
		"a language that the model knows": {backlog.Order{Language: "English"}, ""},
		"a language that it does not":     {backlog.Order{Language: "de"}, scout.CodeModelLanguage},
		"no language":                     {backlog.Order{Language: "blah"}, scout.CodeInvalidArgument},
		"an unknown effort":               {backlog.Order{Effort: "heroic"}, scout.CodeInvalidArgument},
		"a model that is not installed":   {backlog.Order{Model: "whisper-tiny-en", Language: "de"}, ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			if err := p.Acceptable(t.Context(), c.order); scout.CodeOf(err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
