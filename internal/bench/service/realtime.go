package service

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

// Realtime is what realtime sessions did.
type Realtime struct {
	// Alone has one session at a time, for each delay.
	Alone []RealtimeAlone `json:"alone"`
	// Together has several at once, while a recording goes on.
	Together *RealtimeTogether `json:"together,omitempty"`
}

// RealtimeAlone is one session with nothing beside it.
type RealtimeAlone struct {
	Delay string `json:"delay"`
	// Age is how long after its end in the sound a word came as a delta; Completed the time from the end of an item to its text.
	Age       bench.Spread `json:"age"`
	Completed bench.Spread `json:"completed"`
	// Words of Known came as deltas and were found in the text of a single pass.
	Words int `json:"words"`
	Known int `json:"known"`
}

// RealtimeTogether are sessions at once.
type RealtimeTogether struct {
	Sessions int `json:"sessions"`
	// Refused were answered with 429.
	Refused int `json:"refused"`
	// Completed is the time from the end of an item to its text. Behind is how long after the end of the sound the last text came.
	Completed bench.Spread `json:"completed"`
	Behind    bench.Spread `json:"behind"`
	// Recording is what was recorded meanwhile.
	Recording bench.ServiceWhole `json:"recording"`
}

// RealtimeOptions say what is measured.
type RealtimeOptions struct {
	Options
	// Words are those of Speech, with their times.
	Words []scout.Word
	// Delays are measured one after the other. Sessions are how many there are at once; 0 for none.
	Delays   []string
	Sessions int
}

// frameEvery is how much sound is in one message of a session.
const frameEvery = 100 * time.Millisecond

// MeasureRealtime sends Speech at the rate of speech.
func MeasureRealtime(ctx context.Context, o RealtimeOptions) (found Realtime, err error) {
	err = in(ctx, o.Options, func(h *house) error {
		for _, delay := range o.Delays {
			h.tell("realtime: one session, delay %s", delay)
			s := &realtimeSpeaker{house: h, o: &o, delay: delay}
			if err := s.run(ctx); err != nil {
				return err
			}
			found.Alone = append(found.Alone, RealtimeAlone{Delay: delay, Age: bench.SpreadOf(s.ages), Completed: bench.SpreadOf(s.completed), Words: len(s.ages), Known: len(o.Words)})
		}
		if o.Sessions == 0 {
			return nil
		}
		h.tell("realtime: %d sessions at once", o.Sessions)
		together, err := h.together(ctx, &o)
		found.Together = together
		return err
	}, "SCOUT_LIMITS__LIVE_SESSIONS=128")
	return found, err
}

// together runs sessions at once while a recording goes on.
func (h *house) together(ctx context.Context, o *RealtimeOptions) (*RealtimeTogether, error) {
	tape, err := h.newTape(time.Duration(len(o.Speech))*time.Second/rate + time.Minute)
	if err != nil {
		return nil, err
	}
	rolls, err := h.record(ctx, tape)
	if err != nil {
		return nil, err
	}
	speakers := make([]*realtimeSpeaker, o.Sessions)
	group, running := errgroup.WithContext(ctx)
	for i := range speakers {
		speakers[i] = &realtimeSpeaker{house: h, o: o, delay: "medium", from: i * len(o.Speech) / len(speakers)}
		group.Go(func() error { return speakers[i].run(running) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found := &RealtimeTogether{Sessions: o.Sessions}
	var completed, behind []time.Duration
	for _, s := range speakers {
		completed = append(completed, s.completed...)
		if s.refused {
			found.Refused++
			continue
		}
		behind = append(behind, s.behind)
	}
	found.Completed, found.Behind = bench.SpreadOf(completed), bench.SpreadOf(behind)
	found.Recording, err = h.end(ctx, rolls)
	return found, err
}

// realtimeSpeaker is a client of one session.
type realtimeSpeaker struct {
	*house
	o     *RealtimeOptions
	delay string
	from  int // sample with which it begins

	conn      *websocket.Conn
	began     time.Time // of the sound
	next      int       // the word of a single pass that is expected
	ages      []time.Duration
	ended     map[string]time.Time
	completed []time.Duration
	behind    time.Duration
	refused   bool
	open      int
}

// realtimeEvent is what the daemon sends, as far as it is looked at.
type realtimeEvent struct {
	Type  string `json:"type"`
	Item  string `json:"item_id"`
	Delta string `json:"delta"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// run sends all of the speech and waits for its text.
func (s *realtimeSpeaker) run(ctx context.Context) error {
	conn, response, err := websocket.Dial(ctx, "ws://"+s.address()+"/v1/realtime?intent=transcription", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + s.owner.key}},
	})
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // the connection has its own
	}
	if response != nil && response.StatusCode == http.StatusTooManyRequests {
		s.refused = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	defer func() { _ = conn.CloseNow() }() // it has ended, or the daemon has
	s.conn, s.ended = conn, make(map[string]time.Time)
	update := fmt.Sprintf(`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":%d},"transcription":{"language":"en","delay":%q}}}}}`, rate, s.delay)
	if err := conn.Write(ctx, websocket.MessageText, []byte(update)); err != nil {
		return fmt.Errorf("change a session: %w", err)
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.listen(running) })
	group.Go(func() error { return s.speak(running) })
	return group.Wait()
}

// speak sends the speech at its own rate, and then commits and deletes an item that nobody knows: the answer to that is the last event.
func (s *realtimeSpeaker) speak(ctx context.Context) error {
	s.began = time.Now()
	step := int(frameEvery.Seconds() * rate)
	for at := 0; at < len(s.o.Speech); at += step {
		data := make([]byte, 0, 2*step)
		for i := at; i < min(at+step, len(s.o.Speech)); i++ {
			v := s.o.Speech[(s.from+i)%len(s.o.Speech)]
			data = binary.LittleEndian.AppendUint16(data, uint16(int16(max(-1, min(1, v))*32767)))
		}
		message, err := json.Marshal(map[string]string{"type": "input_audio_buffer.append", "audio": base64.StdEncoding.EncodeToString(data)})
		if err == nil {
			err = s.conn.Write(ctx, websocket.MessageText, message)
		}
		if err != nil {
			return fmt.Errorf("send sound: %w", err)
		}
		sent := time.Duration(at+step) * time.Second / rate
		if err := resilience.Sleep(ctx, time.Until(s.began.Add(sent))); err != nil {
			return err
		}
	}
	for _, message := range []string{`{"type":"input_audio_buffer.commit"}`, `{"type":"conversation.item.delete","item_id":"the end"}`} {
		if err := s.conn.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			return fmt.Errorf("end a session: %w", err)
		}
	}
	return nil
}

// listen takes the events until all items are text.
func (s *realtimeSpeaker) listen(ctx context.Context) error {
	over := false
	for !over || s.open > 0 {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("listen to a session: %w", err)
		}
		now := time.Now()
		var e realtimeEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("listen to a session: %w", err)
		}
		switch e.Type[strings.LastIndex(e.Type, ".")+1:] {
		case "committed":
			s.ended[e.Item] = now
			s.open++
		case "completed", "failed":
			s.open--
			if e.Error != nil {
				return errors.New("an item failed: " + e.Error.Message)
			}
			s.completed = append(s.completed, now.Sub(s.ended[e.Item]))
			s.behind = now.Sub(s.began) - time.Duration(len(s.o.Speech))*time.Second/rate
		case "delta":
			if _, ended := s.ended[e.Item]; !ended && s.from == 0 { // the end of an item is not told by its age
				s.aged(e.Delta, now.Sub(s.began))
			}
		case "error":
			if over = e.Error != nil && strings.Contains(e.Error.Message, "no such item"); !over {
				return errors.New("a session answered: " + string(data))
			}
		}
	}
	return nil
}

// aged notes how old words were when they came.
func (s *realtimeSpeaker) aged(delta string, at time.Duration) {
	const ahead = 4 // words that the single pass may have besides
	for _, text := range strings.Fields(delta) {
		for n := s.next; n < min(s.next+ahead, len(s.o.Words)); n++ {
			if w := &s.o.Words[n]; spoken(w.Text) == spoken(text) {
				if w.End != nil {
					s.ages = append(s.ages, at-*w.End)
				}
				s.next = n + 1
				break
			}
		}
		if s.next < len(s.o.Words) && s.o.Words[s.next].End != nil && at > *s.o.Words[s.next].End+10*time.Second {
			s.next++ // it was not heard
		}
	}
}

// spoken is a word as it is compared.
func spoken(word string) string {
	return strings.ToLower(strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}
