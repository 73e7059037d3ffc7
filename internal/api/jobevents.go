package api

import (
	"context"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// jobEvery bounds the events of one job to two a second.
const jobEvery = 500 * time.Millisecond

// registerJobEvents adds the stream of one job.
func (s *Server) registerJobEvents(api huma.API) {
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/jobs/{id}/events", role: roleClient, thing: thingJob, summary: "Follow a job",
			description: "Server-sent events of the type job, without numbers. Each is the whole job: as it is now, and then after each change of its state, its progress or its place, at most twice a second. " +
				"The stream ends behind the event that says how the job has ended. If it ends without one, the daemon stops, or the job is gone: ask for the job again.",
			errors: []scout.Code{scout.CodeNotFound, scout.CodeRateLimit},
		},
		parameters: []*huma.Param{idParameter()},
		answers:    []string{eventStream}, long: always, handler: s.jobEvents,
	})
}

// jobEvents sends a job until it has ended.
func (s *Server) jobEvents(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, err := s.services.Jobs.Job(r.Context(), id); err != nil {
		writeError(w, err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	var pump sync.WaitGroup
	events := make(chan passing)
	pump.Go(func() { // ended by cancel
		defer close(events)
		_ = s.options.Failures.Guard("api", func() error { return s.watchJob(ctx, id, events) }) // a panic ends this stream, and is counted and logged
	})
	defer pump.Wait()
	defer cancel()
	s.send(w, r, feed{kind: "job", passing: events})
}

// watchJob sends a job whenever it is another one than before. A slow reader misses what lies between.
func (s *Server) watchJob(ctx context.Context, id string, to chan<- passing) error {
	var last v1.Job
	for j, err := range s.services.Jobs.Watch(ctx, id, jobEvery) {
		if err != nil {
			return err // it is gone, or the store is: the client asks again, and gets the error
		}
		now, err := s.placed(ctx, &j)
		if err != nil {
			return err
		}
		if reflect.DeepEqual(now, last) {
			continue
		}
		select {
		case to <- passing{kind: "job", body: now}:
			last = now
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
