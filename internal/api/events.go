package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// eventStream is the media type of events. Source: the HTML standard, "Server-sent events".
const eventStream = "text/event-stream"

// aliveEvery is how often a stream without events gets a comment, so that a connection that died is noticed on both sides. It is
// rare, because each wakes two processes.
const aliveEvery = 30 * time.Second

// registerEvents adds the stream of events.
func (s *Server) registerEvents(api huma.API) {
	s.mux.HandleFunc("GET "+prefix+"/events", s.events)
	document(api, huma.Operation{
		OperationID: "get-events", Method: http.MethodGet, Path: prefix + "/events", Summary: "What happens, as server-sent events",
		Parameters: []*huma.Param{
			{Name: "topics", In: "query", Description: "beginnings of event types, with commas between them: recording,recorder.state", Schema: &huma.Schema{Type: "string"}},
			{Name: "after", In: "query", Description: "the number after which to begin", Schema: &huma.Schema{Type: "integer"}},
			{Name: "Last-Event-ID", In: "header", Description: "as after; it outweighs it", Schema: &huma.Schema{Type: "string"}},
		},
		Responses: map[string]*huma.Response{"200": {Description: "The events", Content: map[string]*huma.MediaType{eventStream: {}}}},
	})
}

// document adds an operation to the document that huma does not handle.
func document(api huma.API, o huma.Operation) { api.OpenAPI().AddOperation(&o) }

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after, topics, err := s.position(r)
	if err == nil && s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		s.refuse("streams", r.RemoteAddr, scout.CodeRateLimit)
		err = scout.Errorf(scout.CodeRateLimit, "%d streams of events are open already", maxStreams)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	s.metrics.connections.WithLabelValues("sse").Inc()
	defer func() {
		s.streams.Add(-1)
		s.metrics.connections.WithLabelValues("sse").Dec()
	}()
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	events := s.follow(ctx, after)
	defer func() {
		cancel()
		for range events { // until it has ended
		}
	}()
	control := http.NewResponseController(w)
	if _, err := fmt.Fprint(w, ": ok\n\n"); err != nil || control.Flush() != nil {
		return
	}
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		select {
		case e, open := <-events:
			switch {
			case !open:
				return
			case e.Type != store.EventReset && !wanted(topics, e.Type):
				continue
			}
			err = writeEvent(w, e)
		case <-alive.C:
			_, err = fmt.Fprint(w, ": alive\n\n")
		case <-s.ending:
			return
		}
		if err != nil || control.Flush() != nil {
			return
		}
	}
}

// follow sends the events that come after a number until ctx ends. A reader that is slow delays itself alone.
func (s *Server) follow(ctx context.Context, after uint64) <-chan store.Event {
	events := make(chan store.Event)
	go func() { // ended by ctx; the reader waits for the close
		defer close(events)
		for e, err := range store.Follow(ctx, s.store(), store.EventStream, after) {
			if err != nil {
				return // the client asks again, and gets the error
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events
}

// position is where the client left off, else the end.
func (s *Server) position(r *http.Request) (after uint64, topics []string, err error) {
	query := r.URL.Query()
	for name := range query {
		if name != "topics" && name != "after" {
			return 0, nil, scout.Errorf(scout.CodeInvalidArgument, "unknown query parameter %q", name).WithHint("there are topics and after")
		}
	}
	for topic := range strings.SplitSeq(query.Get("topics"), ",") {
		if topic = strings.TrimSpace(topic); topic != "" {
			topics = append(topics, topic)
		}
	}
	position := query.Get("after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		position = last
	}
	if position == "" {
		replay, err := s.store().Events(r.Context(), store.EventStream, 0, 1)
		return replay.Last, topics, err
	}
	if after, err = strconv.ParseUint(position, 10, 64); err != nil {
		return 0, nil, scout.Errorf(scout.CodeInvalidArgument, "%q is not the number of an event", position).WithHint("send the id of the last event that was read")
	}
	return after, topics, nil
}

// wanted reports whether an event is of one of the topics: each is a type or the beginning of one. No topics are all.
func wanted(topics []string, kind string) bool {
	for _, topic := range topics {
		if kind == topic || strings.HasPrefix(kind, strings.TrimSuffix(topic, ".")+".") {
			return true
		}
	}
	return len(topics) == 0
}

// writeEvent writes one event. Its data is one line: JSON without line breaks.
func writeEvent(w http.ResponseWriter, e store.Event) error {
	data, err := json.Marshal(v1.Event{ID: e.Seq, Type: e.Type, At: v1.Time{Time: e.At}, Data: e.Data})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data)
	return err
}
