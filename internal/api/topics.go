package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// Topics of one thing, for GET /events.
const (
	topicLive  = "live"
	topicJob   = "job"
	topicLevel = "level"
)

// Further types of the events of such a topic.
const (
	topicError = "error" // it has failed, or cannot be followed; a level comes again by itself
	topicEnded = "ended" // nothing more comes of it
)

// mostSingleTopics bounds what one stream follows: each costs what a stream of its own does.
const mostSingleTopics = 200

// mostTopics bounds what one request names.
const mostTopics = 1000

// levelAgain is after which time a device is tried again that gives no level any more.
const levelAgain = 2 * time.Second

// topic is one thing that a client of GET /events follows.
type topic struct{ kind, id string }

func (t topic) String() string { return t.kind + ":" + t.id }

// topicList is what a list of topics asks for.
type topicList struct {
	types   []string // of events, or the first words of them
	single  []topic
	refused []refusedTopic
	all     bool // it names nothing
}

// refusedTopic is a topic that cannot be followed, as the client wrote it.
type refusedTopic struct {
	name string
	err  error
}

// comma stands for a comma in the id of a device, where a comma separates topics.
var comma = strings.NewReplacer("%2C", ",", "%2c", ",")

// topicsOf are the topics of a list: types of events or the first words of them, and single things. A topic that does not exist, or that the
// caller may not see, is refused and the others are not. The error says that the topics cannot be looked up at all.
func (s *Server) topicsOf(ctx context.Context, list string) (topicList, error) {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
		if len(names) > mostTopics {
			return topicList{}, unprocessable("query.topics", "more than %d topics: one stream follows no more", mostTopics)
		}
	}
	a := topicList{all: len(names) == 0}
	for _, name := range names {
		err := s.ask(ctx, &a, name)
		if ofServer(err) { // it says nothing about the topic
			return topicList{}, err
		}
		if err != nil {
			a.refused = append(a.refused, refusedTopic{name, err})
		}
	}
	if len(a.single) > mostSingleTopics {
		return topicList{}, unprocessable("query.topics", "%d dictations, jobs and devices: at most %d are followed by one stream", len(a.single), mostSingleTopics)
	}
	return a, nil
}

func ofServer(err error) bool {
	return err != nil && v1.StatusOf(scout.CodeOf(err)) >= http.StatusInternalServerError
}

// ask adds a topic to those that are followed.
func (s *Server) ask(ctx context.Context, a *topicList, name string) error {
	kind, id, is := strings.Cut(name, ":")
	if !is {
		if first, _, _ := strings.Cut(name, "."); !slices.Contains(eventTopics(), first) { // nothing would ever come
			return unprocessable("query.topics", "there are no events %q: want types, or first words of them: %s; or live:ID, job:ID, level:DEVICE", name, strings.Join(eventTopics(), " "))
		}
		a.types = append(a.types, name)
		return nil
	}
	t := topic{kind, comma.Replace(id)}
	var err error
	switch {
	case kind == topicLive && s.services.Live != nil:
		err = s.sees(ctx, thingRecording, id)
	case kind == topicJob:
		if err = s.sees(ctx, thingJob, id); err == nil {
			_, err = s.services.Jobs.Job(ctx, id)
		}
	case kind == topicLevel:
		err = ownersOnly(ctx)
	default:
		err = unprocessable("query.topics", "there is no topic %q: want live:ID, job:ID or level:DEVICE", name)
	}
	if err == nil && !slices.Contains(a.single, t) {
		a.single = append(a.single, t)
	}
	return err
}

// errors are the events that tell of topics that were refused. They are the first of the stream.
func (a *topicList) errors() []passing {
	events := make([]passing, len(a.refused))
	for i, r := range a.refused {
		e := errorOf(r.err)
		e.Topic, e.At = r.name, v1.Time{Time: time.Now()}
		events[i] = passing{kind: e.Type, body: e}
	}
	return events
}

// follows sends what happens to several things into one channel, nil where there are none, and adds to a what cannot be followed. A slow reader
// misses partial texts, levels and states of jobs in between; it delays nobody. The caller calls leave.
func (s *Server) follows(ctx context.Context, a *topicList) (between <-chan passing, leave func(), err error) {
	if len(a.single) == 0 {
		return nil, func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var pumps sync.WaitGroup
	to := make(chan passing)
	leave = func() {
		cancel()
		pumps.Wait()
	}
	followed := a.single[:0]
	for _, t := range a.single {
		run := s.watchTopicJob
		switch t.kind {
		case topicLevel:
			run = s.watchLevel
		case topicLive:
			f, end, err := s.dictation(ctx, t.id, 0, false)
			if ofServer(err) {
				leave()
				return nil, nil, err
			}
			if err != nil {
				a.refused = append(a.refused, refusedTopic{t.String(), err})
				continue
			}
			run = func(ctx context.Context, t topic, send sender) error {
				defer end()
				return s.watchDictation(ctx, t, &f, send)
			}
		}
		followed = append(followed, t)
		send := func(e v1.TopicEvent) error {
			e.Topic, e.At = t.String(), v1.Time{Time: time.Now()}
			select {
			case to <- passing{kind: e.Type, body: e}:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		pumps.Go(func() { // ended by cancel
			err := s.options.Failures.Guard("api", func() error { return run(ctx, t, send) }) // a panic ends this topic, and is counted and logged
			switch {
			case ctx.Err() != nil:
			case err != nil:
				_ = send(errorOf(err)) // the client is gone
			default:
				_ = send(v1.TopicEvent{Type: topicEnded}) // as above
			}
		})
	}
	a.single = followed
	return to, leave, nil
}

// sender sends an event of a topic; its error says that the client is gone.
type sender func(v1.TopicEvent) error

func errorOf(err error) v1.TopicEvent {
	_, body := v1.ErrorOf(err)
	return v1.TopicEvent{Type: topicError, Data: body.Error}
}

// watchDictation sends the events of a dictation from its beginning on, those with a number too: they have it in seq.
func (s *Server) watchDictation(ctx context.Context, _ topic, f *feed, send sender) error {
	ctx, cancel := context.WithCancel(ctx)
	var failed atomic.Bool
	numbered := s.follow(ctx, *f, &failed)
	defer func() {
		cancel()
		for range numbered { // until it has ended
		}
	}()
	err := f.merge(numbered, func(e *store.Event, _ string, body any) error {
		if e != nil && e.Type == store.EventReset {
			return scout.Errorf(scout.CodeGone, "events of the dictation are not kept any more")
		}
		return send(v1.TopicEvent{Type: topicLive, Data: body})
	}, idle{}, ctx.Done())
	if err == nil && failed.Load() {
		err = scout.Errorf(scout.CodeUnavailable, "the events of the dictation cannot be read at the moment")
	}
	return err
}

// watchTopicJob sends a job until it has ended.
func (s *Server) watchTopicJob(ctx context.Context, t topic, send sender) error {
	events := make(chan passing)
	var pump sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	var err error
	pump.Go(func() { // ended by cancel, or with the job
		defer close(events)
		err = s.options.Failures.Guard("api", func() error { return s.watchJob(ctx, t.id, events) })
	})
	defer pump.Wait()
	defer cancel()
	for e := range events {
		if err := send(v1.TopicEvent{Type: topicJob, Data: e.body}); err != nil {
			return err
		}
	}
	return err
}

// watchLevel sends levels of a device, and tries it again when it gives none any more: a page follows it over recordings that begin and end.
func (s *Server) watchLevel(ctx context.Context, t topic, send sender) error {
	type counted struct {
		v1.Level
		missed int
	}
	levels := make(chan counted, 2)
	told := scout.Code("")
	var pump sync.WaitGroup
	defer pump.Wait()
	for ctx.Err() == nil {
		missed := 0
		var err error
		done := make(chan struct{})
		pump.Go(func() { // ended by ctx, or with the device
			defer close(done)
			err = s.options.Failures.Guard("api", func() error {
				return s.services.Levels(ctx, t.id, time.Second/defaultHz, func(l v1.Level) bool {
					select {
					case levels <- counted{l, missed}:
						missed = 0
					default:
						missed++
						s.metrics.dropped.WithLabelValues("level").Inc()
					}
					return ctx.Err() == nil
				})
			})
		})
		for open := true; open; {
			select {
			case l := <-levels:
				told = ""
				if sendErr := send(v1.TopicEvent{Type: topicLevel, Data: l.Level, Missed: l.missed}); sendErr != nil {
					return sendErr
				}
			case <-done:
				open = false
			}
		}
		if code := scout.CodeOf(err); err != nil && ctx.Err() == nil && code != told {
			told = code
			if sendErr := send(errorOf(err)); sendErr != nil {
				return sendErr
			}
		}
		select {
		case <-time.After(levelAgain):
		case <-ctx.Done():
		}
	}
	return nil
}
