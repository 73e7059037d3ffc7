package realtime

import (
	"encoding/json"
	"time"
)

// Event is a message for the client. Deltas of an item that wait are joined.
type Event struct {
	Type string
	// Item and Delta are those of a delta, with its LogProbs if the client wants them and they are known.
	Item, Delta string
	LogProbs    []LogProb
	// Code is that of an error: one of the protocol's, or "other".
	Code string
	data []byte // of any other event: its JSON
}

// size is how many bytes of memory an event takes for sure.
func (e *Event) size() int { return len(e.Delta) + len(e.LogProbs)*logProbBytes + len(e.data) }

// LogProb is one of the model's tokens. The bytes of all, joined, are the text.
type LogProb struct {
	Token string `json:"token"`
	// LogProb is the natural logarithm of its probability.
	LogProb float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// logProbBytes is about what a LogProb takes in memory.
const logProbBytes = 128

// Types of events.
const (
	typeSessionCreated = "session.created"
	typeSessionUpdated = "session.updated"
	typeBetaCreated    = "transcription_session.created"
	typeBetaUpdated    = "transcription_session.updated"
	typeSpeechStarted  = "input_audio_buffer.speech_started"
	typeSpeechStopped  = "input_audio_buffer.speech_stopped"
	typeCommitted      = "input_audio_buffer.committed"
	typeCleared        = "input_audio_buffer.cleared"
	typeItemAdded      = "conversation.item.added"
	typeItemDone       = "conversation.item.done"
	typeItemCreated    = "conversation.item.created"
	typeItemRetrieved  = "conversation.item.retrieved"
	typeItemDeleted    = "conversation.item.deleted"
	typeDelta          = "conversation.item.input_audio_transcription.delta"
	typeCompleted      = "conversation.item.input_audio_transcription.completed"
	typeFailed         = "conversation.item.input_audio_transcription.failed"
	typeError          = "error"
)

// head is the beginning of every event.
type head struct {
	Type string `json:"type"`
	ID   string `json:"event_id"`
}

type sessionEvent struct {
	head
	Session any `json:"session"`
}

type startedEvent struct {
	head
	StartMS int64  `json:"audio_start_ms"`
	Item    string `json:"item_id"`
}

type stoppedEvent struct {
	head
	EndMS int64  `json:"audio_end_ms"`
	Item  string `json:"item_id"`
}

type committedEvent struct {
	head
	Item     string  `json:"item_id"`
	Previous *string `json:"previous_item_id"`
}

type itemEvent struct {
	head
	Previous *string `json:"previous_item_id"`
	Item     any     `json:"item"`
}

type retrievedEvent struct {
	head
	Item any `json:"item"`
}

type deletedEvent struct {
	head
	Item string `json:"item_id"`
}

type deltaEvent struct {
	head
	Item     string    `json:"item_id"`
	Content  int       `json:"content_index"`
	Delta    string    `json:"delta"`
	LogProbs []LogProb `json:"logprobs,omitempty"`
}

type completedEvent struct {
	head
	Item       string     `json:"item_id"`
	Content    int        `json:"content_index"`
	Transcript string     `json:"transcript"`
	Languages  []language `json:"languages"`
	LogProbs   []LogProb  `json:"logprobs,omitzero"`
	Usage      usage      `json:"usage"`
}

type language struct {
	Code string `json:"code"`
}

// usage has seconds or tokens, as its type says.
type usage struct {
	Type    string `json:"type"`
	Seconds *int64 `json:"seconds,omitempty"`
	*tokenUsage
}

type tokenUsage struct {
	Input   int `json:"input_tokens"`
	Output  int `json:"output_tokens"`
	Total   int `json:"total_tokens"`
	Details struct {
		Audio int `json:"audio_tokens"`
		Text  int `json:"text_tokens"`
	} `json:"input_token_details"`
}

// usageOf is that of an item of a length: in tokens where they were counted.
func usageOf(length time.Duration, t *Tokens) usage {
	if t == nil {
		s := seconds(length)
		return usage{Type: "duration", Seconds: &s}
	}
	in := t.Audio + t.Prompt
	u := &tokenUsage{Input: in, Output: t.Output, Total: in + t.Output}
	u.Details.Audio, u.Details.Text = t.Audio, t.Prompt
	return usage{Type: "tokens", tokenUsage: u}
}

// Tokens are what an item took: positions of the model's encoder, tokens of a prompt, and those that the decoder wrote.
type Tokens struct{ Audio, Prompt, Output int }

type failedEvent struct {
	head
	Item    string     `json:"item_id"`
	Content int        `json:"content_index"`
	Error   itemFailed `json:"error"`
}

type itemFailed struct {
	Type    string  `json:"type"`
	Code    *string `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
}

type errorEvent struct {
	head
	Error errorBody `json:"error"`
}

type errorBody struct {
	Type    string `json:"type"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Event   string `json:"event_id,omitempty"`
}

// itemBody is an item as clients see it.
type itemBody struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Type    string        `json:"type"`
	Role    string        `json:"role"`
	Status  string        `json:"status"`
	Content []itemContent `json:"content"`
}

type itemContent struct {
	Type       string  `json:"type"`
	Transcript *string `json:"transcript"`
}

func bodyOf(id string, transcript *string) itemBody {
	return itemBody{ID: id, Object: "realtime.item", Type: "message", Role: "user", Status: "completed", Content: []itemContent{{"input_audio", transcript}}}
}

// Encode returns the JSON of an event.
func (m *Machine) Encode(e *Event) ([]byte, error) {
	if e.Type == typeDelta {
		return json.Marshal(deltaEvent{head: m.named(typeDelta), Item: e.Item, Delta: e.Delta, LogProbs: e.LogProbs})
	}
	return e.data, nil
}

// named is the beginning of an event of a type.
func (m *Machine) named(kind string) head { return head{kind, m.o.NewID("event_")} }

func (m *Machine) tell(kind string, body any) {
	data, _ := json.Marshal(body) // texts, finite numbers and JSON that was read always can be
	m.o.Send(Event{Type: kind, data: data})
}

// Start tells the client of the session.
func (m *Machine) Start() {
	kind := typeSessionCreated
	if m.beta {
		kind = typeBetaCreated
	}
	m.tellSession(kind)
}

func (m *Machine) tellSession(kind string) {
	body := m.config.Body(m.o.ID, m.o.Expires)
	if m.beta {
		body = m.config.BetaBody(m.o.ID, m.o.Expires, nil)
	}
	m.tell(kind, sessionEvent{m.named(kind), body})
}

// refuse tells the client what is wrong with a message.
//
//	event  the client's id of it, empty for none
func (m *Machine) refuse(p *Problem, event string) {
	m.tellError(p.Code, errorBody{Type: "invalid_request_error", Code: p.Code, Message: p.Message, Param: p.Param, Event: event})
}

// Expire tells that the session is over.
func (m *Machine) Expire() {
	m.refuse(&Problem{Code: codeExpired, Message: "the session is over, as expires_at said; open another"}, "")
}

// Fail tells that the session ends because of Scout.
func (m *Machine) Fail(code, message string) {
	m.tellError("other", errorBody{Type: "server_error", Code: code, Message: message})
}

func (m *Machine) tellError(code string, body errorBody) {
	data, _ := json.Marshal(errorEvent{m.named(typeError), body}) // as in tell
	m.o.Send(Event{Type: typeError, Code: code, data: data})
}

// sessionLasts is how long a session may be open.
const sessionLasts = 24 * time.Hour

func millis(frames int64) int64 { return durationOf(frames).Milliseconds() }

// seconds are rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func orNull(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}
