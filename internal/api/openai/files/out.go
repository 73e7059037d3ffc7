package files

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
)

const (
	// headerSetAside names the stretches that are missing in a text.
	headerSetAside = "X-Scout-Set-Aside"
	// keepAliveEvery is how often a stream without news says something.
	keepAliveEvery = 15 * time.Second
	// headersWithin is after how long the headers of a stream are sent even if nothing is known of the audio.
	headersWithin = 10 * time.Second
)

func writeJSON(w http.ResponseWriter, body any) {
	data, _ := json.Marshal(body) // of texts and finite numbers
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
}

// Events of a stream.
type (
	// Delta is transcript.text.delta: text that follows what came before.
	Delta struct {
		Type     string           `json:"type" enum:"transcript.text.delta"`
		Delta    string           `json:"delta"`
		LogProbs []openai.LogProb `json:"logprobs,omitempty"`
	}
	// Done is transcript.text.done, the last event: the deltas, joined, are its text.
	Done struct {
		Type      string            `json:"type" enum:"transcript.text.done"`
		Text      string            `json:"text"`
		Languages []openai.Language `json:"languages"`
		LogProbs  []openai.LogProb  `json:"logprobs,omitempty"`
		Usage     Tokens            `json:"usage"`
	}
)

// events is the answer to a request for a stream. It is safe for concurrent use.
type events struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	stop    func(error) // is called when nobody reads
	closed  chan struct{}
	wait    sync.WaitGroup

	mu   sync.Mutex
	open bool // the headers are sent
	over bool
	gone error // why nobody reads
	said time.Time
	text strings.Builder // the deltas, joined
	last string          // the text of the last segment
}

// newEvents returns an answer of which nothing is sent yet. close must be called.
func newEvents(w http.ResponseWriter, stop func(error)) *events {
	e := &events{writer: w, control: http.NewResponseController(w), stop: stop, closed: make(chan struct{}), said: time.Now()}
	e.wait.Go(e.alive) // ends with close
	return e
}

// stops says what is called when nobody reads from now on: at once, where nobody does already.
func (e *events) stops(stop func(error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stop = stop; e.gone != nil {
		stop(e.gone)
	}
}

// alive sends the headers after a while, and then comments while there is nothing else.
func (e *events) alive() {
	headers := time.NewTimer(headersWithin)
	defer headers.Stop()
	tick := time.NewTicker(keepAliveEvery / 3)
	defer tick.Stop()
	for {
		select {
		case <-e.closed:
			return
		case <-headers.C:
			e.ready()
		case <-tick.C:
			e.mu.Lock()
			if e.open && !e.over && time.Since(e.said) >= keepAliveEvery-keepAliveEvery/3 {
				e.send(": keep-alive\n\n")
			}
			e.mu.Unlock()
		}
	}
}

// close ends the answer.
func (e *events) close() {
	e.mu.Lock()
	over := e.over
	e.over = true
	e.mu.Unlock()
	if !over {
		close(e.closed)
	}
	e.wait.Wait()
}

// begun reports whether something was sent.
func (e *events) begun() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// ready sends the headers: the audio can be decoded.
func (e *events) ready() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.start()
	e.flush()
}

func (e *events) start() {
	if e.open || e.over {
		return
	}
	e.open = true
	h := e.writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	e.writer.WriteHeader(http.StatusOK)
}

func (e *events) flush() {
	if err := e.control.Flush(); err != nil {
		e.leave(err)
	}
}

// leave stops the work: nobody reads.
func (e *events) leave(why error) {
	e.gone = errGone(why)
	e.stop(e.gone)
}

// send writes one event or comment. The caller holds mu.
func (e *events) send(text string) {
	if e.over {
		return
	}
	e.start()
	e.said = time.Now()
	if _, err := e.writer.Write([]byte(text)); err != nil {
		e.leave(err)
		return
	}
	e.flush()
}

func (e *events) event(body any) {
	data, _ := json.Marshal(body) // of texts and finite numbers
	e.send("data: " + string(data) + "\n\n")
}

// settled sends the text of a segment.
func (e *events) settled(s *scout.Segment, logprobs bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	piece := pieceOf(e.last, s)
	if strings.TrimSpace(piece) == "" {
		return
	}
	delta := Delta{Type: "transcript.text.delta", Delta: piece}
	if logprobs {
		delta.LogProbs = logProbsOf(e.last, s)
	}
	e.event(delta)
	e.text.WriteString(piece)
	e.last = s.Text
}

// done sends the rest and the last event. The error says that nobody reads.
func (e *events) done(t *scout.Transcript, o *options, c counted) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	said := e.text.String()
	if rest, is := strings.CutPrefix(t.Text(), said); is && strings.TrimSpace(rest) != "" {
		e.event(Delta{Type: "transcript.text.delta", Delta: rest})
		said += rest
	}
	if aside := asideOf(t); aside != "" {
		e.send(": " + strings.ToLower(headerSetAside) + ": " + aside + "\n\n")
	}
	done := Done{Type: "transcript.text.done", Text: said, Languages: languagesOf(t), Usage: c.tokens()}
	if o.logprobs {
		done.LogProbs = allLogProbs(t)
	}
	e.event(done)
	return e.gone
}

// fail ends a stream that has begun with an error.
func (e *events) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, body := openai.ErrorOf(err)
	e.event(body)
}

// asideOf are the stretches that are missing in a text, in seconds; empty for none.
func asideOf(t *scout.Transcript) string {
	var parts []string
	for _, a := range t.SetAside {
		parts = append(parts, fmt.Sprintf("%.2f-%.2f", a.Start.Seconds(), a.End.Seconds()))
	}
	return strings.Join(parts, ",")
}
