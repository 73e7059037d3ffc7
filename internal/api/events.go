package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// registerEvents adds the stream of events.
func (s *Server) registerEvents(api huma.API) {
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/events", role: roleClient, summary: "Follow what happens",
			description: "Server-sent events. Each has a number, its type, and an object with its id, type, time and data. A client that names the last event it read gets the ones after it. " +
				"If the journal no longer holds them, the stream begins with the event reset, and the client must read its lists again. A stream without events gets a comment every 30 seconds. A client sees the events of what it made. " +
				"With the topics live:ID, job:ID and level:DEVICE one stream does for a whole page. " +
				"A topic that does not exist, or that the client may not see, gets an event error with the topic and the error, before all others, and the rest of the stream comes. The request is refused where nothing that it names can be followed.",
			errors: []scout.Code{scout.CodeNotFound, scout.CodeGone, scout.CodePermissionDenied},
		},
		parameters: append(positionParameters(), &huma.Param{
			Name: "topics", In: "query", Description: "Types of events, or the first words of types, separated by commas: recording,recorder.state. live:ID, job:ID and level:DEVICE are what the stream of that dictation, job or device sends: events without a number, of the types live, job and level. A comma in the id of a device is written %2C", Schema: textSchema(),
		}),
		answers: []string{eventStream}, long: always, handler: s.events,
	})
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	after, given, err := position(r)
	if err == nil && !given { // from now on
		var replay store.Replay
		replay, err = s.store().Events(r.Context(), store.EventStream, 0, 1)
		after = replay.Last
	}
	if err != nil {
		writeError(w, err)
		return
	}
	asks := callerOf(r.Context())
	a, err := s.topicsOf(r.Context(), r.URL.Query().Get("topics"))
	if err != nil {
		writeError(w, err)
		return
	}
	between, leave, err := s.follows(r.Context(), &a)
	if err != nil {
		writeError(w, err)
		return
	}
	defer leave()
	if !a.all && len(a.types) == 0 && len(a.single) == 0 { // nothing would ever come
		writeError(w, a.refused[0].err)
		return
	}
	wanted := func(kind string) bool { return a.all || isOf(a.types, kind) }
	if asks.role == roleOwner && s.services.ListenDevices != nil && (wanted("device.added") || wanted("device.removed")) {
		defer s.services.ListenDevices()()
	}
	for _, one := range a.refused {
		s.metrics.refusedTopics.WithLabelValues(string(scout.CodeOf(one.err))).Inc()
	}
	s.send(w, r, feed{
		kind: "sse", endless: true, first: a.errors(), passing: between, stream: store.EventStream, after: after,
		wanted: func(e *store.Event) bool { return asks.owns(e.Client) && wanted(e.Type) },
		body: func(e *store.Event) any {
			if e.Type == store.EventReset { // it is in no journal
				return v1.Event{ID: e.Seq, Type: e.Type, At: v1.Time{Time: time.Now()}}
			}
			return v1.Event{ID: e.Seq, Type: e.Type, At: v1.Time{Time: e.At}, Data: e.Data}
		},
	})
}

// eventTopics are the first words of the types of events.
func eventTopics() []string {
	return []string{"recorder", "recording", "transcript", "transcription", "job", "upload", "device", "model", "health", "degradation", "settings", "purged"}
}

// isOf reports whether an event is of one of the topics: each is a type or the first words of one.
func isOf(topics []string, kind string) bool {
	return slices.ContainsFunc(topics, func(topic string) bool {
		return kind == topic || strings.HasPrefix(kind, strings.TrimSuffix(topic, ".")+".")
	})
}
