package realtime

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Types of messages.
const (
	typeUpdate       = "session.update"
	typeBetaUpdate   = "transcription_session.update"
	typeAppend       = "input_audio_buffer.append"
	typeCommit       = "input_audio_buffer.commit"
	typeClear        = "input_audio_buffer.clear"
	typeItemRetrieve = "conversation.item.retrieve"
	typeItemDelete   = "conversation.item.delete"
	typeItemCreate   = "conversation.item.create"
)

// message is what a client sends.
type message struct {
	Type    json.RawMessage `json:"type"`
	EventID json.RawMessage `json:"event_id"`
	Session json.RawMessage `json:"session"`
	Audio   audioField      `json:"audio"`
	Item    json.RawMessage `json:"item"`
	ItemID  json.RawMessage `json:"item_id"`
	// Previous is that of conversation.item.create.
	Previous json.RawMessage `json:"previous_item_id"`

	size int // bytes
}

// audioField is sound in a message, decoded from where it stands: it may have 20 MiB.
type audioField struct {
	data    []byte
	problem string // what is wrong with it, empty if nothing is
}

// UnmarshalJSON implements json.Unmarshaler. It returns no error: the problem is told where sound is wanted.
func (a *audioField) UnmarshalJSON(raw []byte) error {
	*a = audioField{problem: noAudio}
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	encoded := raw[1 : len(raw)-1]
	if bytes.IndexByte(encoded, '\\') >= 0 { // some encoders escape the slash
		whole, _ := text(raw)
		encoded = []byte(whole)
	}
	encoding := base64.RawStdEncoding // some leave the padding out
	if bytes.IndexByte(encoded, '=') >= 0 {
		encoding = base64.StdEncoding
	}
	if encoding.DecodedLen(len(encoded)) > mostAudio {
		a.problem = "more than 15 MiB"
		return nil
	}
	data := make([]byte, encoding.DecodedLen(len(encoded)))
	if n, err := encoding.Decode(data, encoded); err == nil {
		*a = audioField{data: data[:n]}
	} else {
		a.problem = "it is not base64"
	}
	return nil
}

// noAudio is the problem of a message without sound.
const noAudio = "want a string of base64"

// text is a string of a message; false if it is none.
func text(raw json.RawMessage) (string, bool) {
	var s *string
	if raw == nil || json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// ErrInvalid ends a session of which so many messages in a row were no events.
var ErrInvalid = scout.Errorf(scout.CodeInvalidArgument, "%d messages in a row were no events", invalidInARow)

// Binary takes a binary frame. Its error is ErrInvalid.
func (m *Machine) Binary() error {
	return m.noEvent("a binary message is no event: send JSON")
}

func (m *Machine) noEvent(why string) error {
	m.refuse(&Problem{Code: codeInvalidEvent, Message: why}, "")
	if m.invalid++; m.invalid >= invalidInARow {
		return ErrInvalid
	}
	return nil
}

// Message takes a text frame. Its error ends the session: ErrInvalid, or why sound cannot be kept.
func (m *Machine) Message(data []byte, now time.Time) error {
	return m.take(parse(data), now)
}

// parse reads a text frame; what is no JSON object is nil.
func parse(data []byte) *message {
	in := &message{size: len(data)}
	if json.Unmarshal(data, in) != nil {
		return nil
	}
	return in
}

// take takes what Message does.
func (m *Machine) take(in *message, now time.Time) error {
	if in == nil {
		return m.noEvent("the message is no JSON object")
	}
	kind, ok := text(in.Type)
	if !ok {
		return m.noEvent("the message has no type")
	}
	m.invalid = 0
	if !m.begun && kind == typeBetaUpdate && !m.beta {
		m.beta = true
		m.open.Delay = 0
	}
	m.begun = true
	err := m.obey(kind, in, now)
	var problem *Problem
	if errors.As(err, &problem) {
		event, _ := text(in.EventID) // what is no text is not repeated
		if utf8.RuneCountInString(event) > mostID {
			event = ""
		}
		m.refuse(problem, event)
		return nil
	}
	return err
}

// obey does what a message says. A *Problem is told to the client.
func (m *Machine) obey(kind string, in *message, now time.Time) error {
	if kind == typeAppend {
		return m.append(&in.Audio, now)
	}
	if in.size > mostMessage {
		return &Problem{Code: codeInvalidValue, Message: "the message is longer than 1 MiB"}
	}
	switch kind {
	case typeCommit:
		return m.commit(now)
	case typeClear:
		return m.clear()
	case typeItemRetrieve, typeItemDelete:
		return m.item(kind, in.ItemID)
	case typeItemCreate:
		return m.create(in.Item, in.Previous)
	case typeUpdate:
		return m.update(in.Session, typeSessionUpdated, now)
	case typeBetaUpdate:
		if m.beta {
			return m.update(in.Session, typeBetaUpdated, now)
		}
	}
	return &Problem{Code: codeInvalidEvent, Param: "type", Message: short(kind) + ": not in a transcription session"}
}

// append takes sound.
func (m *Machine) append(audio *audioField, now time.Time) error {
	if audio.data == nil && audio.problem == "" {
		audio.problem = noAudio
	}
	if audio.problem != "" {
		return &Problem{Code: codeInvalidValue, Param: "audio", Message: "audio: " + audio.problem}
	}
	return m.hear(audio.data, now)
}

// commit ends the open item.
func (m *Machine) commit(now time.Time) error {
	if m.buffered() >= leastCommit {
		if err := m.flush(m.sound.format); err != nil {
			return err
		}
		m.search(now, true)
	}
	switch {
	case m.buffered() >= leastCommit:
		m.endNow(now)
		return nil
	case m.turns != nil && !m.ended.IsZero() && now.Sub(m.ended) <= afterItem:
		return nil // the server was quicker
	}
	return &Problem{Code: codeEmpty, Message: "less than 100 ms of audio came since the last commit"}
}

// endNow ends the open item where the sound ends.
func (m *Machine) endNow(now time.Time) {
	m.restart()
	m.end(m.head, now)
}

// EndFull ends the open item where the sound ends, because more of it waits than may, and nothing of it is heard before.
func (m *Machine) EndFull(now time.Time) {
	if m.head > m.open.Start {
		m.endNow(now)
	}
}

// restart lets the search for turns go on where the sound ends.
func (m *Machine) restart() {
	m.levels, m.measured, m.searched, m.blocked = m.levels[:0], levels{}, m.head, time.Time{}
}

// Finish ends the item in which somebody speaks, or that the client would have committed, because nothing more comes. The error is why the
// last sound cannot be kept; what was kept becomes text all the same.
func (m *Machine) Finish(now time.Time) error {
	err := m.flush(m.sound.format)
	m.search(now, true)
	m.Advance(now)
	if m.turns != nil && !m.open.turn && m.open.said.Any {
		m.startTurn(m.open.said.First - framesOf(m.turns.how.Prefix))
	}
	if m.open.turn || m.turns == nil && (m.open.sent > 0 || m.buffered() >= leastCommit) {
		m.endNow(now)
	}
	return err
}

// clear forgets the sound of the open item.
func (m *Machine) clear() error {
	if err := m.flush(m.sound.format); err != nil {
		return err
	}
	m.sound.half = nil
	m.stopTurn()
	m.restart()
	if m.turns != nil {
		m.turns.Close()
	}
	m.replace(m.head)
	m.tell(typeCleared, m.named(typeCleared))
	return nil
}

// replace opens another item in place of the open one, which may have the same texts.
func (m *Machine) replace(at int64) {
	weight := m.open.weight
	m.open.Dropped = true
	m.begin(at)
	m.open.weight = max(m.open.weight, weight)
}

// update changes the session.
func (m *Machine) update(raw json.RawMessage, kind string, now time.Time) error {
	next, err := m.config.Update(raw, m.beta, m.o.Check)
	if err != nil {
		return err
	}
	if next.Format != m.config.Format {
		if m.buffered() > time.Millisecond || len(m.sound.half) > 0 {
			param := "session.audio.input.format"
			if m.beta {
				param = "session.input_audio_format"
			}
			return &Problem{Code: codeInvalidValue, Param: param, Message: param + ": audio in the former format is not committed"}
		}
		if err := m.flush(next.Format); err != nil {
			return err
		}
	}
	was, asked, delay := m.turns != nil, m.config.Ask(), m.config.delay()
	m.config = next
	switch how := next.detection(); {
	case how == nil:
		if was {
			m.search(now, true)
			m.stopTurn()
		}
		m.turns = nil
	case was:
		m.turns.Change(*how)
	default:
		m.turns = NewTurns(*how)
		m.restart()
		if m.open.said.Any {
			m.turns.Begin(m.head)
			m.startTurn(m.open.said.First - framesOf(how.Prefix))
		}
	}
	open := m.open
	unknown := !open.turn && open.stopped == 0 && !open.said.Any // to the client
	if ask := next.Ask(); (!ask.same(&asked) || next.delay() != delay) && unknown && (was || m.buffered() <= time.Millisecond) {
		m.replace(max(open.Start, open.through))
	}
	m.tellSession(kind)
	return nil
}

// item retrieves or deletes an item.
func (m *Machine) item(kind string, raw json.RawMessage) error {
	id, ok := text(raw)
	n := m.known.find(id)
	if !ok || n < 0 {
		return &Problem{Code: codeInvalidValue, Param: "item_id", Message: "item_id: there is no such item"}
	}
	switch r := &m.known.items[n]; {
	case kind == typeItemDelete:
		m.known.remove(n)
		m.tell(typeItemDeleted, deletedEvent{m.named(typeItemDeleted), id})
	case r.sent != nil:
		m.tell(typeItemRetrieved, retrievedEvent{m.named(typeItemRetrieved), r.sent})
	default:
		m.tell(typeItemRetrieved, retrievedEvent{m.named(typeItemRetrieved), bodyOf(r.id, r.transcript)})
	}
	return nil
}

// create keeps an item of the client, without effect.
//
//	after  the id of the item before it; nil for the last one
func (m *Machine) create(raw, after json.RawMessage) error {
	var fields map[string]json.RawMessage
	if raw == nil || json.Unmarshal(raw, &fields) != nil || fields == nil {
		return &Problem{Code: codeInvalidValue, Param: "item", Message: "item: want an object"}
	}
	if kind, ok := text(fields["type"]); !ok || kind == "" {
		return &Problem{Code: codeInvalidValue, Param: "item.type", Message: "item.type: want a string"}
	}
	id, ok := text(fields["id"])
	if !ok || id == "" {
		id = m.o.NewID("item_")
	}
	if utf8.RuneCountInString(id) > mostID {
		return &Problem{Code: codeInvalidValue, Param: "item.id", Message: "item.id: more than 512 characters"}
	}
	if m.known.find(id) >= 0 || id == m.open.ID || id == firstOfAll {
		return &Problem{Code: codeInvalidValue, Param: "item.id", Message: "item.id: there is such an item"}
	}
	at, err := m.known.place(after)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"id": id, "object": "realtime.item", "status": "completed"} {
		fields[name], _ = json.Marshal(value) // a string always can be
	}
	sent, err := json.Marshal(fields)
	if err != nil {
		return &Problem{Code: codeInvalidValue, Param: "item", Message: "item: want an object"}
	}
	previous := orNull(m.known.before(at))
	kinds := []string{typeItemAdded, typeItemDone}
	if m.beta {
		kinds = []string{typeItemCreated}
	}
	for _, kind := range kinds {
		m.tell(kind, itemEvent{m.named(kind), previous, json.RawMessage(sent)})
	}
	m.known.insert(at, record{id: id, sent: sent})
	return nil
}
