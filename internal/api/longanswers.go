package api

import (
	"cmp"
	"encoding/hex"
	"net/http"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/resilience"
)

// Limits of answers that may last for hours: event streams, and audio that is followed. Those of the unix socket are one client, the owner.
const (
	defaultStreams          = 256
	defaultStreamsPerClient = 32
)

// longAnswers counts the answers under way that may last for hours. Each occupies a connection and memory for as long as its client wants.
type longAnswers struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by client

	returns resilience.Returns // of each client, and of those for whom there was no place at all
}

// enter takes a place for a client. It returns how many answers there are, of this client or of all, where those are as many as there may be;
// else 0, and the caller calls leave.
//
//	most  how many there may be
//	each  how many of one client
func (l *longAnswers) enter(client string, most, each int) (full int, ofClient bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.of[client] >= each:
		return each, true
	case l.all >= most:
		return most, false
	}
	if l.of == nil {
		l.of = make(map[string]int)
	}
	l.of[client]++
	l.all++
	return 0, false
}

func (l *longAnswers) leave(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.of[client]--; l.of[client] == 0 {
		delete(l.of, client)
	}
}

func (l *longAnswers) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

// streams are how many long answers clients of the network may have, all together and each.
func (n *Network) streams() (most, each int) {
	most = cmp.Or(n.Streams, defaultStreams)
	return most, min(most, cmp.Or(n.StreamsPerClient, defaultStreamsPerClient))
}

// sharer is under which the long answers of a caller are counted: its key, else its session, else what a program without a key calls itself.
func (c caller) sharer() string {
	if c.id == "" && c.until.IsZero() {
		return ""
	}
	if c.id == "" {
		return "session " + hex.EncodeToString(c.session[:])
	}
	return c.label()
}

// takeStream takes a place for a long answer, and refuses the request where there is none. The caller calls leave where taken is true.
func (s *Server) takeStream(w http.ResponseWriter, r *http.Request) (leave func(), taken bool) {
	near := connectionOf(r).near
	of, client := &s.clientsOf(near).streams, callerOf(r.Context()).sharer()
	most, each := defaultStreams, defaultStreams
	if !near {
		most, each = s.options.Network.streams()
	}
	full, ofClient := of.enter(client, most, each)
	if full == 0 {
		return func() { of.leave(client) }, true
	}
	s.refuse("streams", r.RemoteAddr, scout.CodeRateLimit)
	refused, line := scout.Errorf(scout.CodeRateLimit, "%d streams are open, which is the limit", full), ""
	switch {
	case near:
		refused = refused.WithHint("close some")
	case ofClient:
		refused = scout.Errorf(scout.CodeRateLimit, "%d streams of this client are open, which is the limit", full).WithHint("close some, or raise limits.streams_per_client")
		line = client
	default:
		refused = refused.WithHint("try again when some have ended, or raise limits.streams")
	}
	writeError(w, of.returns.Refuse(refused, line, resilience.LeastPause, resilience.LeastPause)) // nobody knows when one ends
	return nil, false
}
