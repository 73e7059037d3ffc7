package api

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/browser"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// Rhythms of a WebSocket.
const (
	beginsWithin = 10 * time.Second       // for the first message
	ackEvery     = 500 * time.Millisecond // an acknowledgement comes at least that often
	closesWithin = 2 * time.Second        // for the client's part of a close
)

// registerLiveSocket adds the WebSocket of sound from clients.
func (s *Server) registerLiveSocket(api huma.API) {
	if s.services.Browser == nil {
		return
	}
	s.add(api, stream{
		about: about{
			method: http.MethodGet, path: "/live", role: roleClient, summary: "Send sound and get its text while it is made",
			description: "A WebSocket with the subprotocol " + v1.LiveProtocol + ", for pages and programs; pages offer a key as a further subprotocol, " + v1.KeyProtocol + "KEY. " +
				"The client sends start as JSON, then binary messages: the position of the first frame in 8 bytes, little-endian, and the frames; then stop or cancel. " +
				"The server sends ready with the frame to go on with, ack with the number of frames that are on the disk, and the events of GET /live/{id}/events. " +
				"A client whose connection broke goes on with start and the id of the session. docs/API.md has every message and why a connection is closed.",
			status: http.StatusSwitchingProtocols, errors: []scout.Code{scout.CodeRateLimit},
		},
		handler: s.liveSocket,
	})
}

// upgrades reports whether a request wants to become a WebSocket.
func upgrades(r *http.Request) bool {
	return r.Method == http.MethodGet && listsWord(r.Header, "Connection", "upgrade") && listsWord(r.Header, "Upgrade", "websocket")
}

// listsWord reports whether a header that is a list has a word.
func listsWord(h http.Header, name, word string) bool {
	return slices.ContainsFunc(listIn(h, name), func(one string) bool { return strings.EqualFold(one, word) })
}

func listIn(h http.Header, name string) []string {
	var all []string
	for _, line := range h.Values(name) {
		for one := range strings.SplitSeq(line, ",") {
			all = append(all, strings.TrimSpace(one))
		}
	}
	return all
}

// protocols are the subprotocols that a client offers.
func protocols(r *http.Request) []string { return listIn(r.Header, "Sec-WebSocket-Protocol") }

// upgradable refuses a request that cannot become a WebSocket, in the form of every error.
func upgradable(r *http.Request) error {
	if err := asksForSocket(r); err != nil {
		return err
	}
	if !slices.Contains(protocols(r), v1.LiveProtocol) {
		return scout.Errorf(scout.CodeInvalidArgument, "the subprotocol %s is not offered", v1.LiveProtocol)
	}
	return nil
}

// asksForSocket refuses a request that does not ask for a WebSocket.
func asksForSocket(r *http.Request) error {
	switch {
	case !upgrades(r):
		return scout.Errorf(scout.CodeInvalidArgument, "this is a WebSocket, and the request does not ask for one")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return scout.Errorf(scout.CodeInvalidArgument, "version %q of WebSocket is not known, only 13", r.Header.Get("Sec-WebSocket-Version"))
	}
	return nil
}

// liveSocket takes the sound of one connection.
func (s *Server) liveSocket(w http.ResponseWriter, r *http.Request) {
	if err := upgradable(r); err != nil {
		writeError(w, err)
		return
	}
	release, err := s.services.Browser.Admit(clientOf(r.Context()))
	if err != nil {
		s.refuse("live", r.RemoteAddr, scout.CodeOf(err))
		writeError(w, err)
		return
	}
	defer release()
	s.sockets.Add(1)
	defer s.sockets.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{v1.LiveProtocol}, InsecureSkipVerify: true, // the origin was looked at: see Server.meet
	})
	if err != nil {
		return // it was answered
	}
	s.metrics.connections.WithLabelValues("live").Inc()
	defer s.metrics.connections.WithLabelValues("live").Dec()
	conn.SetReadLimit(v1.LiveMessageBytes)
	l := &liveSocket{server: s, conn: conn, under: connectionOf(r), caller: callerOf(r.Context()), began: make(chan struct{}), messages: make(chan message), over: make(chan struct{})}
	l.serve(r.Context())
}

// message is what a client sent, or why nothing more comes.
type message struct {
	binary bool
	data   []byte
	err    error
}

// liveSocket is one connection. serve drives it.
type liveSocket struct {
	server   *Server
	conn     *websocket.Conn
	under    *connection
	caller   caller
	session  *browser.Connection // nil before the first message
	began    chan struct{}       // closed when there is a session
	messages chan message        // what was read and is not sound; the sound goes its own way
	over     chan struct{}       // closed when nothing more is wanted
	work     sync.WaitGroup
	alive    context.Context // of what was begun: until the connection is closed
	end      context.CancelFunc
}

// serve answers until the text is complete, the client goes, or the server stops.
func (l *liveSocket) serve(ctx context.Context) {
	l.alive, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.work.Go(l.read) // ends with the connection
	l.work.Go(l.ping) // ended by end
	l.work.Go(func() { l.watch(ctx) })
	err := l.converse(ctx)
	l.close(err)
	if l.session != nil {
		l.session.Close()
	}
	l.end()
	l.work.Wait()
}

// errDone ends a conversation whose text is complete; errLeft one whose client has gone.
var (
	errDone = errors.New("the text is complete")
	errLeft = errors.New("the client has gone")
)

// converse is the conversation. Its error says why it ended.
func (l *liveSocket) converse(ctx context.Context) error {
	begin, err := l.begin(ctx)
	if err != nil {
		return err
	}
	close(l.began)
	ready := v1.LiveOpened{Type: v1.LiveTypeReady, ID: string(l.session.ID()), NextFrame: l.session.Safe()}
	select {
	case <-l.session.Done():
		if m, err := l.session.Ended(); err == nil {
			ready.Ended = string(m.EndReason)
		}
	default:
	}
	if err := l.send(ready); err != nil {
		return err
	}
	return l.tell(ctx, &begin)
}

// begin reads the first message, and begins a session or goes on with one.
func (l *liveSocket) begin(ctx context.Context) (begin v1.LiveBegin, err error) {
	timer := time.NewTimer(beginsWithin)
	defer timer.Stop()
	var first message
	select {
	case first = <-l.messages:
	case <-timer.C:
		return begin, scout.Errorf(scout.CodeRequestTimeout, "no message came")
	case <-ctx.Done():
		return begin, l.ended()
	case <-l.server.ending:
		return begin, errServerStops
	}
	switch {
	case first.err != nil:
		return begin, first.err
	case first.binary:
		return begin, scout.Errorf(scout.CodeInvalidArgument, "sound came before the message start")
	}
	if err := strictly(first.data, &begin); err != nil {
		return begin, err
	}
	if begin.Type != v1.LiveTypeStart {
		return begin, scout.Errorf(scout.CodeInvalidArgument, "the first message is %q, not %s", begin.Type, v1.LiveTypeStart)
	}
	if begin.ID != "" {
		l.session, err = l.server.services.Browser.Resume(ctx, recording.ID(begin.ID), l.caller.owns)
		return begin, err
	}
	order, err := l.server.liveOrder(ctx, &begin, l.caller)
	if err == nil {
		l.session, err = l.server.services.Browser.Start(ctx, order)
	}
	return begin, err
}

// liveOrder is what a client wants to send.
func (s *Server) liveOrder(ctx context.Context, begin *v1.LiveBegin, c caller) (o browser.Order, err error) {
	f := begin.Format
	o.Format = scout.Format{SampleRateHz: f.SampleRate, Channels: f.Channels, Sample: scout.SampleFormat(f.SampleFormat)}
	if o.Format.Sample != scout.SampleS16 && o.Format.Sample != scout.SampleF32 {
		return o, unprocessable("format.sample_format", "%q is neither %s nor %s", f.SampleFormat, scout.SampleS16, scout.SampleF32)
	}
	if err := o.Format.Validate(); err != nil {
		return o, &v1.InputError{Location: "format", Err: scout.Errorf(scout.CodeInvalidArgument, "%w", err)}
	}
	if _, err := descriptionOf(v1.Start{Title: begin.Title, Tags: begin.Tags}); err != nil {
		return o, err
	}
	o.Sender = recording.Sender{Title: begin.Title, Tags: begin.Tags, Client: clientOf(withCaller(ctx, c))}
	text, err := s.promiseFor(ctx, true, &begin.TextOptions)
	if err != nil {
		return o, err
	}
	o.Text = liveRequest(&v1.Start{TextOptions: begin.TextOptions})
	o.Later = text.order
	o.Later.Client = o.Sender.Client
	return o, nil
}

// strictly reads a JSON object: unknown fields are refused, and what can be understood in different ways.
func strictly(data []byte, into any) error {
	if err := unambiguous(data); err != nil {
		return scout.Errorf(scout.CodeInvalidArgument, "%w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return scout.Errorf(scout.CodeInvalidArgument, "the message cannot be read: %s", strings.TrimPrefix(scout.Plain(err), "json: "))
	}
	if decoder.More() {
		return scout.Errorf(scout.CodeInvalidArgument, "there is more than one object in the message")
	}
	return nil
}

// errServerStops ends a conversation because the daemon stops.
var errServerStops = scout.Errorf(scout.CodeUnavailable, "the daemon is stopping")

// ended is why the context of the request ended: its key or session did.
func (l *liveSocket) ended() error {
	return scout.Errorf(scout.CodeInvalidAPIKey, "what let the connection in has ended")
}

// tell sends acknowledgements and events until the recording has ended and its text is complete.
func (l *liveSocket) tell(ctx context.Context, begin *v1.LiveBegin) error {
	events := l.follow(ctx, begin)
	defer events.close()
	tick := time.NewTicker(ackEvery)
	defer tick.Stop()
	done := l.session.Done()
	order := order{sent: begin.After}
	for {
		if done == nil && events.over() {
			return events.failure()
		}
		var err error
		select {
		case <-l.session.Acked():
			err = l.ack()
		case <-tick.C:
			err = l.ack()
		case <-done:
			done = nil
			if _, failed := l.session.Ended(); failed != nil {
				return failed
			}
			tick.Stop()
			err = l.ack()
		case e, open := <-events.numbered:
			if !open {
				events.numbered = nil
				continue
			}
			err = l.numbered(&order, &e)
		case e, open := <-events.passing:
			if !open {
				events.passing = nil
				continue
			}
			if order.sends(&e) {
				err = l.send(e.body)
			}
		case m := <-l.messages:
			err = l.obey(m)
		case <-l.session.Gone():
			err = l.session.Err()
		case <-ctx.Done():
			err = l.ended()
		case <-l.server.ending:
			err = errServerStops
		}
		if err != nil {
			return err
		}
	}
}

// numbered sends an event of the journal, and what waited for it.
func (l *liveSocket) numbered(order *order, e *store.Event) error {
	if e.Type == store.EventReset {
		return scout.Errorf(scout.CodeGone, "the events behind %d are not kept any more", order.sent)
	}
	if err := l.send(e.Data); err != nil {
		return err
	}
	if next := order.numbered(e, e.Type == event.Committed); next != nil {
		return l.send(next.body)
	}
	return nil
}

func (l *liveSocket) ack() error {
	return l.send(v1.LiveAcked{Type: v1.LiveTypeAck, Frames: l.session.Safe()})
}

// send writes one message. A client that takes nothing for as long as one write may take is cut off.
func (l *liveSocket) send(body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	err = l.conn.Write(l.alive, websocket.MessageText, data)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.server.metrics.slow.WithLabelValues("live").Inc()
		l.server.log.Warn(eventListenerSlow, slog.String("kind", "live"), slog.Int64(observe.KeyDurationMS, l.server.times.Write.Milliseconds()))
	}
	return errLeft
}

// obey does what a message says that is no sound.
func (l *liveSocket) obey(m message) error {
	if m.err != nil {
		return m.err
	}
	var end v1.LiveEnd
	if err := strictly(m.data, &end); err != nil {
		return err
	}
	switch end.Type {
	case v1.LiveTypeStop:
		frames := uint64(0)
		if end.Frames != nil {
			frames = *end.Frames
		}
		return l.session.Stop(frames)
	case v1.LiveTypeCancel:
		if end.Frames != nil {
			return scout.Errorf(scout.CodeInvalidArgument, "%s has no frames", v1.LiveTypeCancel)
		}
		return l.session.Cancel()
	}
	return scout.Errorf(scout.CodeInvalidArgument, "a message %q is not expected here, only sound, %s and %s", end.Type, v1.LiveTypeStop, v1.LiveTypeCancel)
}

// read takes the messages of the client: sound is written at once, whatever the client reads, and the others are handed on in their order.
func (l *liveSocket) read() {
	_ = l.server.options.Failures.Guard("api", func() error { // a panic ends this connection, and is counted and logged
		hand := func(m message) bool {
			select {
			case l.messages <- m:
				return m.err == nil
			case <-l.over:
				return false
			}
		}
		for begun := false; ; {
			kind, data, err := l.conn.Read(l.alive)
			switch {
			case err != nil:
				hand(message{err: errLeft})
				return nil //nolint:nilerr // it was handed on
			case kind == websocket.MessageText || !begun:
				if !hand(message{binary: kind == websocket.MessageBinary, data: data}) {
					return nil
				}
				select {
				case <-l.began:
					begun = true
				case <-l.over:
					return nil
				}
			case !l.sound(data, hand):
				return nil
			}
		}
	})
}

// sound writes a message of sound. It returns false where nothing more is taken.
func (l *liveSocket) sound(data []byte, hand func(message) bool) bool {
	if len(data) < v1.LivePositionBytes {
		return hand(message{err: scout.Errorf(scout.CodeInvalidArgument, "a binary message of %d bytes has no position", len(data))})
	}
	if err := l.session.Write(binary.LittleEndian.Uint64(data), data[v1.LivePositionBytes:]); err != nil {
		return hand(message{err: err})
	}
	return true
}
